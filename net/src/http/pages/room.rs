//! The waiting page of a zone: one document for every state, filled in as far as the server knows.
//!
//! With JavaScript the first document says `joining`, and the script does the rest. Without, it has a button that joins, and a
//! visitor with a place is asked to come back when the answer says.

use super::language::Language;
use super::template::{escape, fill};
use super::url_of;
use sluice_engine::error::Refusal;
use sluice_engine::reply::{Eta, Standing, Waiting};
use sluice_engine::zone::settings::{Mode, ZoneSettings};
use std::borrow::Cow;

/// When a browser without script asks again for a place of which nothing could be told, in seconds.
const UNTOLD_S: u64 = 3;

/// A visit of the page.
pub(crate) struct Visitor<'a> {
    pub(crate) zone: &'a str,
    pub(crate) settings: Option<&'a ZoneSettings>,
    pub(crate) language: Language,
    /// The largest position that the visitor was told, 0 at first: what the progress is measured from.
    pub(crate) from: u64,
    pub(crate) stage: Stage<'a>,
    /// What the admitted show; empty where there is none.
    pub(crate) pass: &'a str,
}

/// What is known of the visitor's place.
#[derive(Clone, Copy)]
pub(crate) enum Stage<'a> {
    /// Nothing yet.
    Joining,
    /// Where this token stands.
    Placed(&'a str, Standing),
    /// There is a place, of which nothing can be told now.
    Untold,
    /// There is no place.
    Refused(Refusal),
}

impl Visitor<'_> {
    /// Writes the document; its status.
    pub(crate) fn write(&self, out: &mut Vec<u8>) -> u16 {
        let state = self.state();
        fill(include_str!("room.html"), out, |name| self.value(name, state));
        if state == "unknown" { 404 } else { 200 }
    }

    /// The word by which style and script know the state.
    fn state(&self) -> &'static str {
        let Some(settings) = self.settings else { return "unknown" };
        match self.stage {
            Stage::Joining => "joining",
            Stage::Placed(_, Standing::Admitted(_)) => "turn",
            Stage::Placed(_, Standing::Waiting(Waiting { eta: Eta::Unknown, .. }))
                if settings.mode == Mode::Paused =>
            {
                "paused"
            }
            Stage::Placed(_, Standing::Waiting(_)) => "waiting",
            Stage::Refused(Refusal::Closed) => "closed",
            Stage::Refused(Refusal::Full(_)) => "full",
            Stage::Refused(Refusal::Gone | Refusal::BadToken) => "gone",
            Stage::Refused(Refusal::NoZone) => "unknown",
            Stage::Untold | Stage::Refused(_) => "busy",
        }
    }

    fn value(&self, name: &str, state: &str) -> Cow<'_, str> {
        let words = self.language.words();
        let word = |name: &str| Cow::Borrowed(words.get(name).map_or("", String::as_str));
        if let Some(name) = name.strip_prefix("t.") {
            return word(name);
        }
        let waiting = self.waiting();
        match name {
            "lang" => Cow::Borrowed(self.language.tag()),
            "otherLang" | "otherName" => word(name),
            "texts" => Cow::Borrowed(self.language.json()),
            "state" => Cow::Owned(state.to_owned()),
            "zone" => Cow::Borrowed(self.zone),
            "token" => Cow::Borrowed(self.token()),
            "target" => Cow::Borrowed(self.settings.map_or("", |settings| &settings.target_url)),
            "poll" => Cow::Owned(self.settings.map_or(0, |settings| settings.poll_ms).to_string()),
            "keep" => Cow::Owned(self.keep()),
            "title" => self
                .own_text(|settings| &settings.title)
                .map_or_else(|| word("room"), |(_, text)| text.into()),
            "titleLang" => {
                self.own_text(|settings| &settings.title).map_or(self.language.tag(), |(tag, _)| tag).into()
            }
            "message" => self.own_text(|settings| &settings.message).map_or("", |(_, text)| text).into(),
            "messageLang" => self.own_text(|settings| &settings.message).map_or("", |(tag, _)| tag).into(),
            "heading" => word(&format!("{state}Title")),
            "text" if state == "turn" && self.target().is_some() => word("turnGoing"),
            "text" => word(&format!("{state}Text")),
            "position" => waiting.map_or(Cow::Borrowed(""), |waiting| grouped(waiting.position).into()),
            "length" => Cow::Owned(waiting.map_or(0, |waiting| grouped(waiting.position).len()).to_string()),
            "progress" => Cow::Owned(self.progress().to_string()),
            "wait" => waiting.map_or(Cow::Borrowed(""), |waiting| wait(waiting.eta, self.language).into()),
            "enterHref" => self.target().map_or(Cow::Borrowed(""), Cow::Owned),
            "take" => Cow::Owned(self.take(state)),
            "refresh" => self.refresh(state).map_or(Cow::Borrowed(""), Cow::Owned),
            file => url_of(file),
        }
    }

    fn own_text(
        &self,
        of: impl FnOnce(&ZoneSettings) -> &sluice_engine::zone::settings::Texts,
    ) -> Option<(&str, &str)> {
        self.language.pick(of(self.settings?))
    }

    fn waiting(&self) -> Option<Waiting> {
        match self.stage {
            Stage::Placed(_, Standing::Waiting(waiting)) => Some(waiting),
            _ => None,
        }
    }

    fn token(&self) -> &str {
        if let Stage::Placed(token, _) = self.stage { token } else { "" }
    }

    /// What of the address must not be lost on the way to the same page: how long the way was.
    fn keep(&self) -> String {
        match (self.waiting(), self.stage) {
            (Some(waiting), _) => format!("&from={}", self.from.max(waiting.position)),
            (None, Stage::Untold) => format!("&from={}", self.from),
            _ => String::new(),
        }
    }

    /// The button that joins, for a browser without script and without a place. Only a click does: whoever fetches pages in
    /// advance takes no place.
    fn take(&self, state: &str) -> String {
        if matches!(self.stage, Stage::Untold) || !matches!(state, "joining" | "full" | "busy" | "closed") {
            return String::new();
        }
        let (tag, word) = (self.language.tag(), self.language.words().get("take").map_or("", String::as_str));
        format!(
            "<noscript><form method=\"post\" action=\"?lang={tag}\"><button id=\"take\" class=\"button\">{word}</button></form></noscript>"
        )
    }

    /// How much of the way lies behind, in percent.
    fn progress(&self) -> u64 {
        let Some(Waiting { position, .. }) = self.waiting() else { return 0 };
        let from = self.from.max(position);
        (100 * (from - position) / from.max(1)).max(2)
    }

    /// Where the admitted go, with what they need there.
    fn target(&self) -> Option<String> {
        let Stage::Placed(token, Standing::Admitted(_)) = self.stage else { return None };
        let url = self.settings.map(|settings| settings.target_url.as_str()).filter(|url| !url.is_empty())?;
        let (url, fragment) = url.find('#').map_or((url, ""), |at| url.split_at(at));
        let joint = if url.contains('?') { '&' } else { '?' };
        let shown = if self.pass.is_empty() { "" } else { "&sluice_pass=" };
        let (zone, pass) = (self.zone, self.pass);
        Some(format!("{url}{joint}sluice_zone={zone}&sluice_token={token}{shown}{pass}{fragment}"))
    }

    /// What a browser without script does next.
    fn refresh(&self, state: &str) -> Option<String> {
        let tag = self.language.tag();
        let (after_s, to) = match state {
            "waiting" | "paused" => {
                let poll_ms = self.waiting().map_or(1_000, |waiting| waiting.poll_ms);
                (u64::from(poll_ms).div_ceil(1_000).max(1), format!("?lang={tag}{}", self.keep()))
            }
            "busy" if matches!(self.stage, Stage::Untold) => {
                (UNTOLD_S, format!("?lang={tag}{}", self.keep()))
            }
            "turn" => (1, self.target()?),
            _ => return None,
        };
        let mut url = Vec::new();
        escape(&to, &mut url);
        let url = String::from_utf8_lossy(&url);
        Some(format!("<noscript><meta http-equiv=\"refresh\" content=\"{after_s};url={url}\"></noscript>\n"))
    }
}

/// An estimate in words, as the page's script says it.
fn wait(eta: Eta, language: Language) -> String {
    let word = |name: &str| language.words().get(name).cloned().unwrap_or_default();
    let Eta::Ms(ms) = eta else { return word("waitUnknown") };
    let minutes = ms.div_ceil(60_000);
    let text = |value: u64| value.to_string();
    match (minutes / 60, minutes % 60) {
        _ if ms < 60_000 => word("waitUnder"),
        (0, 1) => word("waitMinute"),
        (0, minutes) => word("waitMinutes").replace("{n}", &text(minutes)),
        (1, 0) => word("waitHour"),
        (hours, minutes) => word("waitHours").replace("{h}", &text(hours)).replace("{m}", &text(minutes)),
    }
}

/// Digits in threes, as both languages write them.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Stage, Visitor, grouped, wait};
    use crate::http::pages::language::Language;
    use sluice_engine::error::Refusal;
    use sluice_engine::memory::Bound;
    use sluice_engine::reply::{Eta, Standing, Waiting};
    use sluice_engine::time::LogTime;
    use sluice_engine::zone::settings::{Mode, ZoneSettings};

    fn settings() -> ZoneSettings {
        ZoneSettings {
            title: vec![("en".into(), "Spring <sale>".into()), ("ko".into(), "봄 세일".into())],
            message: vec![("en".into(), "\"Hello\" & </script>".into())],
            target_url: "https://shop.example/in?a=1#top".into(),
            ..ZoneSettings::with_limit(1)
        }
    }

    fn page(settings: Option<&ZoneSettings>, language: Language, stage: Stage<'_>) -> (u16, String) {
        let mut out = Vec::new();
        let status = Visitor { zone: "shop", settings, language, from: 100, stage, pass: "" }.write(&mut out);
        let page = String::from_utf8(out).unwrap();
        assert!(!page.contains("{{") && !page.contains("}}"), "{page}");
        (status, page)
    }

    const PLACE: Waiting = Waiting { position: 12, eta: Eta::Ms(150_000), poll_ms: 2_500, stale: false };

    #[test]
    fn a_place_is_shown_without_script_and_asked_for_again() {
        let (status, page) =
            page(Some(&settings()), Language::Korean, Stage::Placed("t0k", Standing::Waiting(PLACE)));
        assert_eq!(status, 200);
        for part in [
            "<html lang=\"ko\">",
            "<body data-state=\"waiting\">",
            "<noscript><meta http-equiv=\"refresh\" content=\"3;url=?lang=ko&amp;from=100\"></noscript>",
            ">12</p>",
            ">약 3분</dd>",
            "value=\"88\"",
            "봄 세일</p>",
            "lang=\"en\">&quot;Hello&quot; &amp; &lt;/script&gt;</p>",
            "href=\"?lang=en&amp;from=100\"",
        ] {
            assert!(page.contains(part), "{part}\n{page}");
        }
    }

    /// A click there would give the place away for one at the end of the line.
    #[test]
    fn who_has_a_place_is_offered_no_other_while_it_cannot_be_told() {
        let (status, page) = page(Some(&settings()), Language::English, Stage::Untold);
        assert!(status == 200 && page.contains("<body data-state=\"busy\">"), "{page}");
        let again =
            "<noscript><meta http-equiv=\"refresh\" content=\"3;url=?lang=en&amp;from=100\"></noscript>";
        assert!(page.contains(again) && !page.contains("id=\"take\""), "{page}");
        let refused = Stage::Refused(Refusal::Busy { retry_ms: 1 });
        let (_, page) = super::tests::page(Some(&settings()), Language::English, refused);
        assert!(
            page.contains("id=\"take\"") && !page.contains("http-equiv"),
            "who has none may take one: {page}"
        );
    }

    #[test]
    fn the_admitted_are_led_to_the_target_with_their_token() {
        let stage = Stage::Placed("t0k", Standing::Admitted(LogTime(1)));
        let (_, turn) = page(Some(&settings()), Language::English, stage);
        let url = "https://shop.example/in?a=1&amp;sluice_zone=shop&amp;sluice_token=t0k#top";
        assert!(turn.contains(&format!("content=\"1;url={url}\"")), "{turn}");
        assert!(turn.contains(&format!("href=\"{url}\"")), "{turn}");
        let nowhere = ZoneSettings { target_url: String::new(), ..settings() };
        let (_, turn) = page(Some(&nowhere), Language::English, stage);
        assert!(turn.contains("You may enter now.</p>") && !turn.contains("http-equiv"), "{turn}");
    }

    #[test]
    fn every_state_has_its_page() {
        let paused = ZoneSettings { mode: Mode::Paused, ..settings() };
        let unknown = Waiting { eta: Eta::Unknown, ..PLACE };
        for (settings, stage, state, status) in [
            (None, Stage::Joining, "unknown", 404),
            (Some(&settings()), Stage::Joining, "joining", 200),
            (Some(&paused), Stage::Placed("t", Standing::Waiting(unknown)), "paused", 200),
            (Some(&settings()), Stage::Placed("t", Standing::Waiting(unknown)), "waiting", 200),
            (Some(&settings()), Stage::Refused(Refusal::Closed), "closed", 200),
            (Some(&settings()), Stage::Refused(Refusal::Full(Bound::Zones)), "full", 200),
            (Some(&settings()), Stage::Refused(Refusal::Gone), "gone", 200),
            (Some(&settings()), Stage::Refused(Refusal::NoLeader { retry_ms: 1 }), "busy", 200),
        ] {
            for language in [Language::English, Language::Korean] {
                let (is, page) = page(settings, language, stage);
                assert_eq!(is, status, "{state}");
                assert!(page.contains(&format!("<body data-state=\"{state}\">")), "{state}\n{page}");
                let heading = &language.words()[&format!("{state}Title")];
                assert!(page.contains(&format!("tabindex=\"-1\">{heading}</h1>")), "{state}\n{page}");
            }
        }
    }

    #[test]
    fn numbers_and_waits_read_as_people_say_them() {
        for (number, text) in [(1, "1"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
        for (ms, text) in [
            (0, "Under a minute"),
            (60_000, "About 1 min"),
            (60_001, "About 2 min"),
            (3_600_000, "About 1 hour"),
            (5_400_000, "About 1 h 30 min"),
        ] {
            assert_eq!(wait(Eta::Ms(ms), Language::English), text);
        }
        assert_eq!(wait(Eta::Unknown, Language::Korean), "알 수 없음");
    }
}
