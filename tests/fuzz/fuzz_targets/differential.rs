#![no_main]

#[path = "../../differential/mod.rs"]
mod differential;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    differential::run(data);
});
