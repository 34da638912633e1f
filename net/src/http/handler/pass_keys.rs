//! `GET /.well-known/jwks.json`: the keys that verify passes, as a JWK set (RFC 7517, RFC 8037).

use crate::http::json::Object;
use crate::http::respond::Media;
use crate::http::visit::{Handled, Visit};
use crate::pass::all_keys;

pub(crate) fn run(visit: &mut Visit<'_, '_>) -> Handled {
    let keys = all_keys(&visit.desk.shared.directory);
    let mut set = br#"{"keys":["#.to_vec();
    for (number, key) in keys.iter().enumerate() {
        let Some(public) = visit.desk.signer.public(key) else { continue };
        if number > 0 {
            set.push(b',');
        }
        let mut object = Object::open(&mut set);
        object.text("kty", b"OKP").text("crv", b"Ed25519").text("alg", b"EdDSA").text("use", b"sig");
        object.text("kid", key.id.to_string().as_bytes()).text("x", public.as_bytes());
        object.close();
    }
    set.extend_from_slice(b"]}");
    visit.respond(200, Media::Keys, &set)
}
