variable "model_uuid" {
  description = "UUID of the Juju model to deploy into."
  type        = string
}

variable "app_name" {
  description = "Name of the application."
  type        = string
  default     = "sungather"
}

variable "channel" {
  description = "Channel of the charm."
  type        = string
  default     = "latest/stable"
}

variable "revision" {
  description = "Revision of the charm; null for the newest of the channel."
  type        = number
  default     = null
}

variable "base" {
  description = "Base of the machine, ubuntu@24.04 or ubuntu@26.04."
  type        = string
  default     = "ubuntu@24.04"
}

variable "constraints" {
  description = "Constraints of the machine, such as \"arch=arm64\"."
  type        = string
  default     = ""
}

variable "machines" {
  description = "Machines to deploy to, one unit each; empty for new machines."
  type        = set(string)
  default     = null
}

variable "units" {
  description = "How many units. The leader reads the inverter, the others are standbys."
  type        = number
  default     = 1

  validation {
    condition     = var.units >= 1
    error_message = "At least one unit must be deployed."
  }
}

variable "config" {
  description = "Options of the charm. inverter-host is required; secrets are given by their ID."
  type        = map(string)
  default     = {}
}

variable "resources" {
  description = "Resources of the charm: sungather-snap, a revision at Charmhub."
  type        = map(string)
  default     = {}
}

variable "endpoint_bindings" {
  description = "Spaces of the network: one without an endpoint for all, and one for each that differs."
  type        = set(object({ space = string, endpoint = optional(string) }))
  default     = null
}

variable "expose" {
  description = "Whom the page is open to, comma-separated; {} for everybody, null for nobody outside the model."
  type = object({
    cidrs     = optional(string)
    endpoints = optional(string)
    spaces    = optional(string)
  })
  default = null
}
