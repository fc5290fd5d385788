resource "juju_application" "sungather" {
  name        = var.app_name
  model_uuid  = var.model_uuid
  config      = var.config
  constraints = var.constraints
  machines    = var.machines
  resources   = var.resources
  units       = var.machines == null ? var.units : null

  endpoint_bindings = var.endpoint_bindings

  charm {
    name     = "sungather"
    base     = var.base
    channel  = var.channel
    revision = var.revision
  }

  dynamic "expose" {
    for_each = var.expose == null ? [] : [var.expose]

    content {
      cidrs     = expose.value.cidrs
      endpoints = expose.value.endpoints
      spaces    = expose.value.spaces
    }
  }
}
