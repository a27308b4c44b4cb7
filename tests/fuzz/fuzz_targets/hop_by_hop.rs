#![no_main]

#[path = "../../behaviour/hop_by_hop/any_head.rs"]
mod any_head;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    any_head::run(data);
});
