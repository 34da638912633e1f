//! The languages of the waiting page, and which of them a visitor reads.

use sluice_engine::zone::settings::Texts;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// A language that the page's own words are in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Language {
    English,
    Korean,
}

/// The words of a page, by name.
pub(crate) type Words = BTreeMap<String, String>;

const ENGLISH: &str = include_str!("texts.en.json");
const KOREAN: &str = include_str!("texts.ko.json");

static WORDS: LazyLock<[Words; 2]> =
    LazyLock::new(|| [ENGLISH, KOREAN].map(|json| serde_json::from_str(json).unwrap_or_default()));

impl Language {
    /// Its tag.
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::Korean => "ko",
        }
    }

    /// The language of a tag such as `ko-KR`.
    pub(crate) fn of(tag: &str) -> Option<Language> {
        let first = tag.split(['-', '_']).next().unwrap_or_default().trim();
        [Language::English, Language::Korean]
            .into_iter()
            .find(|known| known.tag().eq_ignore_ascii_case(first))
    }

    /// The one that `Accept-Language` prefers among those that there are; English without a preference.
    pub(crate) fn preferred(accept: Option<&[u8]>) -> Language {
        let accept = std::str::from_utf8(accept.unwrap_or_default()).unwrap_or_default();
        let mut best = (Language::English, 0.0);
        for range in accept.split(',') {
            let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
            let quality = parameters.trim().strip_prefix("q=").map_or(1.0, |q| q.parse().unwrap_or(0.0));
            match Language::of(tag) {
                Some(language) if quality > best.1 => best = (language, quality),
                _ => {}
            }
        }
        best.0
    }

    /// The page's words.
    pub(crate) fn words(self) -> &'static Words {
        &WORDS[self as usize]
    }

    /// The page's words as its script reads them.
    pub(crate) fn json(self) -> &'static str {
        match self {
            Language::English => ENGLISH,
            Language::Korean => KOREAN,
        }
    }

    /// The text of a zone in this language, else in English, else in any that it has; its tag and itself.
    pub(crate) fn pick(self, texts: &Texts) -> Option<(&str, &str)> {
        let of = |language| texts.iter().find(move |(tag, _)| Language::of(tag) == Some(language));
        let chosen = of(self).or_else(|| of(Language::English)).or_else(|| texts.first());
        chosen.map(|(tag, text)| (tag.as_str(), text.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::{ENGLISH, KOREAN, Language};

    #[test]
    fn the_visitor_chooses_the_language() {
        for (accept, expected) in [
            ("ko-KR,ko;q=0.9,en-US;q=0.8", Language::Korean),
            ("en-US,en;q=0.9,ko;q=0.8", Language::English),
            ("ja, ko;q=0.3", Language::Korean),
            ("fr;q=1.0", Language::English),
            ("ko;q=0", Language::English),
            ("ko;q=x, en;q=0.1", Language::English),
            ("", Language::English),
        ] {
            assert_eq!(Language::preferred(Some(accept.as_bytes())), expected, "{accept}");
        }
        assert_eq!(Language::preferred(None), Language::English);
        assert_eq!(Language::preferred(Some(b"\xff")), Language::English);
    }

    #[test]
    fn both_languages_say_the_same_things() {
        let (english, korean) = (Language::English.words(), Language::Korean.words());
        assert!(english.len() > 40 && english.keys().eq(korean.keys()));
        assert!(english.values().chain(korean.values()).all(|word| !word.is_empty()));
        assert_eq!((english["lang"].as_str(), korean["lang"].as_str()), ("en", "ko"));
        // They stand within a script element, as they are.
        assert!(!ENGLISH.contains('<') && !KOREAN.contains('<'));
        for (name, word) in english {
            let holes = |text: &str| text.matches('{').count();
            assert_eq!(holes(word), holes(&korean[name]), "{name}");
        }
    }

    #[test]
    fn a_zone_speaks_the_nearest_language_that_it_knows() {
        let texts = |tags: &[&str]| tags.iter().map(|tag| (tag.to_string(), format!("in {tag}"))).collect();
        for (tags, expected) in [
            (&["en", "ja", "ko-KR"][..], Some("ko-KR")),
            (&["en-US", "ja"], Some("en-US")),
            (&["ja", "zh"], Some("ja")),
            (&[], None),
        ] {
            assert_eq!(Language::Korean.pick(&texts(tags)).map(|(tag, _)| tag), expected, "{tags:?}");
        }
    }
}
