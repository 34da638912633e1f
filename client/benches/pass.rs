//! What it costs to verify a pass: one that was not seen before, and one that was.
//!
//! `cargo bench -p sluice-client --bench pass`

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use sluice_client::pass::{PassKeys, Verifier};
use std::hint::black_box;
use std::time::{Instant, SystemTime};

/// Passes of a round; fewer than are remembered.
const PASSES: u64 = 4_000;
const ROUNDS: usize = 5;

fn main() {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("any seed is one");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let pass = |number: u64| {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"EdDSA","typ":"JWT","kid":"5f3a5f3a5f3a5f3a"}"#);
        let claims = format!(
            r#"{{"iss":"sluice:5f3a5f3a5f3a5f3a","sub":"{number:032}","zone":"shop","iat":{now},"exp":{},"jti":"{number:022}"}}"#,
            now + 600
        );
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(pair.sign(signed.as_bytes())))
    };
    let passes: Vec<String> = (0..PASSES).map(pass).collect();
    let mut keys = PassKeys::default();
    assert!(keys.add("5f3a5f3a5f3a5f3a", &URL_SAFE_NO_PAD.encode(pair.public_key())));
    let mut medians = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        let verifier = Verifier::new("shop", keys.clone());
        for times in &mut medians {
            let started = Instant::now();
            for pass in &passes {
                black_box(verifier.verify(black_box(pass)).expect("a good pass"));
            }
            times.push(started.elapsed().as_nanos() as f64 / PASSES as f64 / 1e3);
        }
    }
    for (what, times) in ["not seen before", "seen before"].iter().zip(&mut medians) {
        times.sort_by(f64::total_cmp);
        println!("{what}: {:.2} us", times[ROUNDS / 2]);
    }
}
