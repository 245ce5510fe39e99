// Where custom resource definitions come from that are in no module of ../flux: scripts/e2e takes them from the modules'
// own source. Nothing here is built, so `go mod tidy` would remove every line; `go mod download` keeps go.sum true.
module failover-api.test/e2e/crds

go 1.26.0

require (
	github.com/fluxcd/image-reflector-controller v1.1.1
	github.com/prometheus-operator/prometheus-operator v0.85.0
)
