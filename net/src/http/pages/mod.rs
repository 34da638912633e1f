//! Pages for people: the waiting page of a zone and a demonstration of event streams.
//!
//! ```text
//! GET /room/{zone}    room.html, filled in by `room` with the words of texts.*.json and of the zone
//! GET /demo           demo.html
//! GET /pages/{name}   what they load: room.css, room.js, demo.css, demo.js
//! ```
//! Everything is a file beside this one, embedded as it is: nothing is built, nothing comes from elsewhere. The policy of
//! each page allows only what this server sends, and no script or style within a page. A page names its files with a hash
//! of their content, so that browsers may keep them for good and still never mix two versions.

pub(crate) mod language;
pub(crate) mod room;
mod template;

use super::respond::Media;
use language::Language;
use std::borrow::Cow;

/// What pages may load: their own files, and answers of this server.
pub(crate) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'self'";

/// A file that pages load.
pub(crate) struct Asset {
    name: &'static str,
    pub(crate) media: Media,
    pub(crate) bytes: &'static [u8],
    hash: u64,
}

const fn asset(name: &'static str, media: Media, bytes: &'static [u8]) -> Asset {
    Asset { name, media, bytes, hash: fnv1a(bytes) }
}

static ASSETS: [Asset; 4] = [
    asset("room.css", Media::Style, include_bytes!("room.css")),
    asset("room.js", Media::Script, include_bytes!("room.js")),
    asset("demo.css", Media::Style, include_bytes!("demo.css")),
    asset("demo.js", Media::Script, include_bytes!("demo.js")),
];

impl Asset {
    /// The file of that name.
    pub(crate) fn of(name: &str) -> Option<&'static Asset> {
        ASSETS.iter().find(|asset| asset.name == name)
    }

    /// Whether the query names just this content, which then may be kept for good.
    pub(crate) fn is_version(&self, query: &str) -> bool {
        query.strip_prefix("v=").and_then(|hash| u64::from_str_radix(hash, 16).ok()) == Some(self.hash)
    }

    /// Where a page finds it.
    fn url(&self) -> String {
        format!("/pages/{}?v={:016x}", self.name, self.hash)
    }
}

/// The 64-bit hash of Fowler, Noll and Vo: it tells versions apart, nothing more.
const fn fnv1a(bytes: &[u8]) -> u64 {
    let (mut hash, mut at) = (0xcbf2_9ce4_8422_2325, 0);
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x100_0000_01b3);
        at += 1;
    }
    hash
}

/// The address of the file that a placeholder names.
fn url_of(placeholder: &str) -> Cow<'static, str> {
    Asset::of(placeholder).map_or(Cow::Borrowed(""), |asset| Cow::Owned(asset.url()))
}

/// Writes the demonstration of event streams.
pub(crate) fn write_demo(out: &mut Vec<u8>) -> Language {
    template::fill(include_str!("demo.html"), out, url_of);
    Language::English
}

#[cfg(test)]
mod tests {
    use super::{ASSETS, Asset, write_demo};

    #[test]
    fn a_page_names_the_version_that_is_served() {
        let mut page = Vec::new();
        write_demo(&mut page);
        let page = String::from_utf8(page).unwrap();
        for asset in ASSETS.iter().filter(|asset| asset.name.starts_with("demo")) {
            assert!(page.contains(&asset.url()), "{page}");
            let query = asset.url().split_once('?').unwrap().1.to_owned();
            assert!(asset.is_version(&query) && !asset.is_version("v=0") && !asset.is_version(""));
        }
        assert!(Asset::of("room.html").is_none(), "templates are not served");
    }

    #[test]
    fn nothing_stands_in_a_page_that_its_policy_forbids() {
        for page in [include_str!("room.html"), include_str!("demo.html")] {
            for forbidden in ["<style", " style=", " onclick", "javascript:", "//cdn", "http://", "https://"]
            {
                assert!(!page.contains(forbidden), "{forbidden}");
            }
        }
    }
}
