//! What those who may not enter yet are answered: a page for a person, JSON for an app.

use http::{Response, StatusCode, header};

use crate::reply::Place;

/// Why somebody is not let in.
#[derive(Clone, Copy)]
pub(super) enum Stop<'a> {
    /// It is not their turn.
    Waiting(&'a Place),
    /// The zone holds as many as it may.
    Full,
    /// The zone takes nobody.
    Closed,
    /// Sluice cannot be asked.
    Away,
}

/// Seconds after which it is worth coming back where nothing else says.
const FULL_S: u64 = 30;
const CLOSED_S: u64 = 60;
const AWAY_S: u64 = 3;

impl Stop<'_> {
    fn retry_s(self) -> u64 {
        match self {
            Stop::Waiting(place) => place.poll_ms.div_ceil(1_000).max(1),
            Stop::Full => FULL_S,
            Stop::Closed => CLOSED_S,
            Stop::Away => AWAY_S,
        }
    }

    fn code(self) -> &'static str {
        match self {
            Stop::Waiting(_) => "WAITING",
            Stop::Full => "FULL",
            Stop::Closed => "CLOSED",
            Stop::Away => "BUSY",
        }
    }
}

/// The answer of an app.
pub(super) fn json(zone: &str, stop: Stop<'_>) -> Response<String> {
    let zone = quoted(zone);
    let body = match stop {
        Stop::Waiting(place) => {
            let (token, eta) = (quoted(&place.token), place.eta_ms.map_or(-1, |ms| ms as i64));
            format!(
                r#"{{"canEnter":false,"zoneId":{zone},"token":{token},"position":{},"etaMs":{eta},"pollMs":{}}}"#,
                place.position, place.poll_ms
            )
        }
        _ => format!(r#"{{"canEnter":false,"zoneId":{zone},"code":"{}"}}"#, stop.code()),
    };
    let status = match stop {
        Stop::Waiting(_) => StatusCode::ACCEPTED,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    answer(status, "application/json", stop.retry_s(), body)
}

/// The page of a person. It comes back by itself, without script.
pub(super) fn html(stop: Stop<'_>, is_korean: bool, back_to: &str) -> Response<String> {
    let (title, text) = match (stop, is_korean) {
        (Stop::Waiting(_), false) => {
            ("You are in line", "Keep this page open. You enter automatically when it is your turn.")
        }
        (Stop::Waiting(_), true) => {
            ("접속 대기 중입니다", "이 화면을 열어 두세요. 차례가 되면 자동으로 입장합니다.")
        }
        (Stop::Full, false) => ("The line is full", "This page tries again by itself."),
        (Stop::Full, true) => ("대기 인원이 가득 찼습니다", "잠시 후 자동으로 다시 시도합니다."),
        (Stop::Closed, false) => ("The line is closed", "This page tries again by itself."),
        (Stop::Closed, true) => ("지금은 입장할 수 없습니다", "잠시 후 자동으로 다시 시도합니다."),
        (Stop::Away, false) => ("One moment", "You keep your place. This page tries again by itself."),
        (Stop::Away, true) => ("잠시만 기다려 주세요", "순번은 유지됩니다. 자동으로 다시 시도합니다."),
    };
    let place = if let Stop::Waiting(place) = stop { figures(place, is_korean) } else { String::new() };
    let language = if is_korean { "ko" } else { "en" };
    let (retry_s, back_to) = (stop.retry_s(), escaped(back_to));
    let body = format!(
        "<!doctype html>\n<html lang=\"{language}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"refresh\" content=\"{retry_s};url={back_to}\">\n<meta name=\"robots\" content=\"noindex\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main data-state=\"{}\">\n<h1>{title}</h1>\n\
         <p>{text}</p>\n{place}</main>\n</body>\n</html>\n",
        stop.code().to_ascii_lowercase()
    );
    let status = match stop {
        Stop::Waiting(_) | Stop::Away => StatusCode::ACCEPTED,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    answer(status, "text/html; charset=utf-8", retry_s, body)
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:0;background:#f1f0ea;color:#16211e}\
main{box-sizing:border-box;width:min(32rem,100% - 2rem);margin:12vh auto;padding:2rem;background:#fff;border-radius:1rem;\
text-align:center;text-wrap:balance;word-break:keep-all}\
h1{font-size:1.5rem;margin:0 0 .5rem}strong{display:block;font-size:clamp(2.5rem,14vw,4rem);line-height:1.2}p{margin:.5rem 0}";

fn figures(place: &Place, is_korean: bool) -> String {
    let (label, minutes) = (
        if is_korean { "나의 대기 순번" } else { "Your place in line" },
        place.eta_ms.map(|ms| ms.div_ceil(60_000)),
    );
    let wait = match (minutes, is_korean) {
        (None, false) => "The wait is not known yet".to_owned(),
        (None, true) => "예상 시간을 알 수 없습니다".to_owned(),
        (Some(minutes @ 60..), false) => format!("About {} h {} min", minutes / 60, minutes % 60),
        (Some(minutes @ 60..), true) => format!("약 {}시간 {}분", minutes / 60, minutes % 60),
        (Some(minutes), false) => format!("About {} min", minutes.max(1)),
        (Some(minutes), true) => format!("약 {}분", minutes.max(1)),
    };
    format!("<p role=\"status\">{label}<strong id=\"position\">{}</strong>{wait}</p>\n", place.position)
}

/// To the address without the pass, which is in the cookie now.
pub(super) fn see_other(address: &str) -> Response<String> {
    let response = Response::builder().status(StatusCode::SEE_OTHER).header(header::LOCATION, address);
    // What was in a request's address is fit for a header.
    response.header(header::CACHE_CONTROL, "no-store").body(String::new()).unwrap_or_default()
}

fn answer(status: StatusCode, media: &str, retry_s: u64, body: String) -> Response<String> {
    let response = Response::builder().status(status).header(header::CONTENT_TYPE, media);
    let response = response.header(header::RETRY_AFTER, retry_s).header(header::CACHE_CONTROL, "no-store");
    response.header(header::VARY, "Accept, Cookie").body(body).unwrap_or_default()
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;")
}
