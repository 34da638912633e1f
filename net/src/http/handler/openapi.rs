//! `GET /openapi.json`: this API, described.

use crate::http::respond::Media;
use crate::http::visit::{Handled, Visit};

/// OpenAPI 3.1, kept by hand beside the handlers; a test compares its paths with the routes.
const DOCUMENT: &[u8] = include_bytes!("../openapi.json");

pub(crate) fn run(visit: &mut Visit<'_, '_>) -> Handled {
    visit.respond(200, Media::Json, DOCUMENT)
}

#[cfg(test)]
mod tests {
    use super::DOCUMENT;
    use crate::http::route::Route;

    #[test]
    fn every_path_described_is_routed_with_the_methods_described() {
        let document: serde_json::Value = serde_json::from_slice(DOCUMENT).unwrap();
        let paths = document["paths"].as_object().unwrap();
        assert_eq!(paths.len(), 16, "one path a route, but for the server as a whole");
        for (path, operations) in paths {
            let route = Route::of(path).unwrap_or_else(|| panic!("{path} is not served"));
            for method in operations.as_object().unwrap().keys().filter(|key| *key != "parameters") {
                assert!(route.methods().contains(&method.to_uppercase()), "{method} {path}");
            }
        }
    }
}
