//! Clients of others that take this crate in a few lines. The page `guide::real_clients` shows them.

pub mod bollard;
pub mod kube;
pub mod oauth2;
pub mod octocrab;
pub mod opendal;
pub mod reqwest_middleware;
pub mod tower_http_client;

// kube needs a version of Kubernetes, and leaves the choice to programs.
use k8s_openapi as _;
