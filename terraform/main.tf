resource "juju_application" "sungather" {
  name        = var.app_name
  model_uuid  = var.model_uuid
  config      = var.config
  constraints = var.constraints
  machines    = var.machines
  resources   = var.resources
  units       = var.machines == null ? var.units : null

  charm {
    name     = "sungather"
    base     = var.base
    channel  = var.channel
    revision = var.revision
  }
}
