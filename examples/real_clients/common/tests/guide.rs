//! The guide shows the recipes as they compile.

use real_clients_common::shows;

#[test]
fn the_guide_shows_every_recipe() {
    let page = include_str!("../../../../src/guide/real_clients.md");
    for (name, recipe) in [
        ("bollard", include_str!("../../recipes/src/bollard.rs")),
        ("kube", include_str!("../../recipes/src/kube.rs")),
        ("oauth2", include_str!("../../recipes/src/oauth2.rs")),
        ("octocrab", include_str!("../../recipes/src/octocrab.rs")),
        ("opendal", include_str!("../../recipes/src/opendal.rs")),
        (
            "reqwest-middleware",
            include_str!("../../recipes/src/reqwest_middleware.rs"),
        ),
        (
            "tower-http-client",
            include_str!("../../recipes/src/tower_http_client.rs"),
        ),
    ] {
        assert!(shows(page, recipe), "{name}");
    }
}
