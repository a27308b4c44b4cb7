//! The page shows the code that runs.

const PAGE: &str = include_str!("../../../../src/guide/client_stack.md");
const STACK: &str = include_str!("../../src/stack.rs");

/// Each layer of the code on the page, in its order, is in the stack, in the same.
#[test]
fn the_layers_on_the_page_are_those_of_the_stack() {
    let layers = |text: &str| -> Vec<String> {
        let lines = text.lines().map(str::trim);
        let names = lines.filter_map(|line| line.strip_prefix(".layer("));
        let name = |rest: &str| rest.split(['(', ':']).next().unwrap().to_owned();
        names.map(name).collect()
    };
    let code = PAGE.split("```").nth(1).expect("code");
    let [shown, mut run] = [code, STACK].map(layers);
    assert_eq!(run.len(), 6);
    // Within `stack` it is around the client already.
    run.push("keep_alive.layer".to_owned());
    assert_eq!(shown, run);
}
