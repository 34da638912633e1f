//! Every frame that a peer can send, from the first byte on: nothing panics, nothing takes more memory than the frame allows, and
//! what can be read can be written again.

#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use openraft_rt_tokio::TokioRuntime;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sluice_engine::id::GroupId;
use sluice_engine::sequencer::{Ask, Presence, Pulse};
use sluice_engine::stream::value::Value;
use sluice_raft::codec;
use sluice_raft::peer::frame::{self, Frame, Kind};
use sluice_raft::peer::handshake::{Answer, Hello};
use sluice_raft::peer::plausible::{Known, check_request, check_response};
use sluice_raft::peer::proof::{Claim, Counterproof};
use sluice_raft::peer::{Cast, Request, Response};

type R = TokioRuntime;

const BODY_BYTES_MAX: usize = 64 * 1024;

fn read<T: Serialize + DeserializeOwned>(kind: Kind, body: &[u8]) -> Option<T> {
    let value: T = frame::decode(body).ok()?;
    frame::encode(kind, &value).expect("what was read can be written");
    Some(value)
}

fn look(Frame { kind, body }: &Frame) {
    match kind {
        Kind::Hello => drop(read::<Hello>(*kind, body)),
        Kind::Welcome => drop(read::<Answer>(*kind, body)),
        Kind::Proof => {
            drop(read::<Claim>(*kind, body));
            drop(read::<Counterproof>(*kind, body));
        }
        Kind::Request => {
            let Some((_, _, request)) = read::<(u64, u64, Request<R>)>(*kind, body) else { return };
            let _ = check_request(1, Known::default(), &request);
            let _: Option<GroupId> = request.group();
            if let Request::Forward { bytes, .. } = request {
                let _ = codec::decode::<Ask>(&bytes);
                let _ = codec::decode::<Vec<Ask>>(&bytes);
            }
        }
        Kind::Response => {
            let Some((_, response)) = read::<(u64, Response<R>)>(*kind, body) else { return };
            let _ = check_response(1, &response);
            if let Response::Forward(bytes) = response {
                let _ = codec::decode::<Value>(&bytes);
            }
        }
        Kind::Cast => match read::<Cast>(*kind, body) {
            Some(Cast::Presence { bytes, .. }) => drop(codec::decode::<(u64, Presence)>(&bytes)),
            Some(Cast::Pulse { bytes, .. }) => drop(codec::decode::<(u64, Pulse)>(&bytes)),
            Some(Cast::Publish { .. }) | None => {}
        },
    }
}

fuzz_target!(|bytes: &[u8]| {
    // A checksum is nothing that a fuzzer finds: the first byte of the input is a kind, the rest its body.
    let kinds = [Kind::Hello, Kind::Welcome, Kind::Request, Kind::Response, Kind::Cast, Kind::Proof];
    if let Some((chosen, body)) = bytes.split_first() {
        let kind = kinds[usize::from(*chosen) % kinds.len()];
        look(&Frame { kind, body: body.to_vec().into() });
    }
    let mut buffer = BytesMut::from(bytes);
    while let Ok(Some(frame)) = frame::take(&mut buffer, BODY_BYTES_MAX) {
        look(&frame);
    }
});
