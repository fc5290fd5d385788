variable "model_uuid" {
  description = "UUID of the Juju model to deploy into."
  type        = string
}

variable "sites" {
  description = "Name of the site => its inverter, and what makes it different from the others."
  type = map(object({
    host        = string
    timezone    = optional(string, "")
    constraints = optional(string, "")
    config      = optional(map(string), {})
    machines    = optional(set(string))
    resources   = optional(map(string), {})
    revision    = optional(number)
    units       = optional(number, 1)
  }))
}

variable "prefix" {
  description = "What the application's name begins with, before the name of the site."
  type        = string
  default     = "site-"
}

variable "base" {
  description = "Base of all machines."
  type        = string
  default     = "ubuntu@24.04"
}

variable "channel" {
  description = "Channel of the charm."
  type        = string
  default     = "latest/stable"
}

variable "config" {
  description = "Options of the charm for all sites, such as snap-channel."
  type        = map(string)
  default     = {}
}
