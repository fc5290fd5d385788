# One application a site, from a map.
module "site" {
  source   = "./.."
  for_each = var.sites

  app_name    = "${var.prefix}${each.key}"
  base        = var.base
  channel     = var.channel
  constraints = each.value.constraints
  machines    = each.value.machines
  model_uuid  = var.model_uuid
  resources   = each.value.resources
  revision    = each.value.revision
  units       = each.value.units

  config = merge(var.config, each.value.config, {
    "inverter-host" = each.value.host
    "timezone"      = each.value.timezone
  })
}
