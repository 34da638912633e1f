//! Requests in HTTP/1.1. For every input:
//!
//! - a request lies inside the input, and reads the same when nothing follows it;
//! - each part of it is incomplete, and asks for no more than the whole.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_net::fuzzing::{HttpSaid, http_request};

fuzz_target!(|input: &[u8]| {
    let [share, input @ ..] = input else { return };
    match http_request(input) {
        HttpSaid::Complete { consumed, request } => {
            assert!(consumed > 0 && consumed <= input.len());
            let alone = http_request(&input[..consumed]);
            assert_eq!(alone, HttpSaid::Complete { consumed, request });
            let cut = consumed * usize::from(*share) / 256;
            match http_request(&input[..cut]) {
                HttpSaid::Incomplete { needed } => assert!(needed > cut && needed <= consumed),
                other => panic!("the first {cut} of {consumed} bytes are {other:?}"),
            }
        }
        HttpSaid::Incomplete { needed } => assert!(needed > input.len()),
        HttpSaid::Invalid => {}
    }
});
