//! Where a token stands, as JSON: in the words of `/traffic` and in those of `/v1`.

use super::json::Object;
use sluice_engine::reply::{Standing, Waiting};

/// As existing apps read it: `canEnter`, and `waiting` while they may not.
pub(crate) fn write_traffic(
    body: &mut Vec<u8>,
    zone: &[u8],
    token: &[u8],
    standing: Standing,
    pass: Option<&[u8]>,
) {
    let mut object = Object::open(body);
    let can_enter = matches!(standing, Standing::Admitted(_));
    object.truth("canEnter", can_enter).text("token", token).text("zoneId", zone);
    match standing {
        Standing::Admitted(since) => {
            show_pass(&mut object, pass);
            object.number("admittedAt", whole(since.0));
        }
        Standing::Waiting(waiting) => {
            object.object("waiting", |inner| {
                inner.number("position", whole(waiting.position));
                inner.number("estimatedSeconds", waiting.eta.wire_seconds());
                inner.number("pollingPeriod", i64::from(waiting.poll_ms));
                mark_stale(inner, waiting);
            });
        }
    }
    object.close();
}

/// As a resource: one flat object.
pub(crate) fn write_resource(
    body: &mut Vec<u8>,
    zone: &[u8],
    token: &[u8],
    standing: Standing,
    pass: Option<&[u8]>,
) {
    let mut object = Object::open(body);
    object.text("zone", zone).text("token", token);
    match standing {
        Standing::Admitted(since) => {
            object.text("state", b"admitted").number("position", 0).number("etaMs", 0);
            show_pass(&mut object, pass);
            object.number("admittedAt", whole(since.0));
        }
        Standing::Waiting(waiting) => {
            object.text("state", b"waiting").number("position", whole(waiting.position));
            object.number("etaMs", waiting.eta.wire_ms()).number("pollMs", i64::from(waiting.poll_ms));
            mark_stale(&mut object, waiting);
        }
    }
    object.close();
}

fn show_pass(object: &mut Object<'_>, pass: Option<&[u8]>) {
    if let Some(pass) = pass {
        object.text("pass", pass);
    }
}

/// Only where it is so: what is usual goes without saying.
fn mark_stale(object: &mut Object<'_>, waiting: Waiting) {
    if waiting.stale {
        object.truth("stale", true);
    }
}

pub(crate) fn whole(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{write_resource, write_traffic};
    use sluice_engine::reply::Standing;
    use sluice_engine::reply::{Eta, Waiting};
    use sluice_engine::time::LogTime;

    type Write = fn(&mut Vec<u8>, &[u8], &[u8], Standing, Option<&[u8]>);

    fn check(write: Write, standing: Standing, expected: &str) {
        let mut body = Vec::new();
        write(&mut body, b"TEST_ZONE", b"t0k", standing, Some(b"a.b.c"));
        assert_eq!(String::from_utf8(body).unwrap(), expected);
    }

    #[test]
    fn existing_apps_find_the_shape_they_know() {
        let waiting = Waiting { position: 1234, eta: Eta::Ms(73_100), poll_ms: 3_000, stale: false };
        check(
            write_traffic,
            Standing::Waiting(waiting),
            r#"{"canEnter":false,"token":"t0k","zoneId":"TEST_ZONE","waiting":{"position":1234,"estimatedSeconds":74,"pollingPeriod":3000}}"#,
        );
        check(
            write_traffic,
            Standing::Waiting(Waiting { eta: Eta::Unknown, ..waiting }),
            r#"{"canEnter":false,"token":"t0k","zoneId":"TEST_ZONE","waiting":{"position":1234,"estimatedSeconds":-1,"pollingPeriod":3000}}"#,
        );
        check(
            write_traffic,
            Standing::Waiting(Waiting { stale: true, ..waiting }),
            r#"{"canEnter":false,"token":"t0k","zoneId":"TEST_ZONE","waiting":{"position":1234,"estimatedSeconds":74,"pollingPeriod":3000,"stale":true}}"#,
        );
        check(
            write_traffic,
            Standing::Admitted(LogTime(9)),
            r#"{"canEnter":true,"token":"t0k","zoneId":"TEST_ZONE","pass":"a.b.c","admittedAt":9}"#,
        );
    }

    #[test]
    fn a_resource_is_flat() {
        let waiting = Waiting { position: 2, eta: Eta::Ms(1_500), poll_ms: 3_000, stale: false };
        check(
            write_resource,
            Standing::Waiting(waiting),
            r#"{"zone":"TEST_ZONE","token":"t0k","state":"waiting","position":2,"etaMs":1500,"pollMs":3000}"#,
        );
        check(
            write_resource,
            Standing::Waiting(Waiting { stale: true, ..waiting }),
            r#"{"zone":"TEST_ZONE","token":"t0k","state":"waiting","position":2,"etaMs":1500,"pollMs":3000,"stale":true}"#,
        );
        check(
            write_resource,
            Standing::Admitted(LogTime(9)),
            r#"{"zone":"TEST_ZONE","token":"t0k","state":"admitted","position":0,"etaMs":0,"pass":"a.b.c","admittedAt":9}"#,
        );
    }
}
