output "app_name" {
  description = "Name of the deployed application."
  value       = juju_application.sungather.name
}

output "provides" {
  description = "Endpoints that the application provides."
  value = {
    cos_agent         = "cos-agent"
    metrics_endpoint  = "metrics-endpoint"
    grafana_dashboard = "grafana-dashboard"
  }
}

output "requires" {
  description = "Endpoints that the application requires."
  value = {
    charm_tracing   = "charm-tracing"
    ingress         = "ingress"
    mqtt            = "mqtt"
    receive_ca_cert = "receive-ca-cert"
  }
}
