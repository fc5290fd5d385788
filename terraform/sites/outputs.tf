output "app_names" {
  description = "Name of the site => name of its application."
  value       = { for name, site in module.site : name => site.app_name }
}
