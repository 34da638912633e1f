//! The paths of the admin plane.

use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::routing::{get, post};

use super::problem::Problem;
use super::{Shared, cluster, guard, health, metrics};

/// Everything that is served.
pub(super) fn all(shared: Arc<Shared>) -> Router {
    let guarded = Router::new()
        .route("/metrics", get(metrics::show))
        .route("/admin/cluster", get(cluster::status))
        .route("/admin/cluster/{operation}", post(cluster::administer))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&shared), guard::check));
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .merge(guarded)
        .fallback(|| async { Problem::new(404, "NOTFOUND", "there is no such path") })
        .method_not_allowed_fallback(|| async { Problem::new(405, "METHOD", "the method does not apply") })
        .with_state(shared)
}
