#![no_main]

#[path = "../../strip/mod.rs"]
mod strip;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    strip::run(data);
});
