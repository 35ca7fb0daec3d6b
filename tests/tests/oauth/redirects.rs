//! Strings with which open redirects are tried: none leaves the list.

use http::{Request, header};

use crate::desk::{DeskBench, ORIGIN};
use crate::kit::on_both;

const TRICKS: [&str; 60] = [
    "https://evil.example",
    "http://evil.example",
    "//evil.example",
    "///evil.example",
    "////evil.example",
    "/\\evil.example",
    "\\/evil.example",
    "\\\\evil.example",
    "/\\/evil.example",
    "\\/\\/evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https:///evil.example",
    "https:\\\\evil.example",
    "HTTPS://evil.example",
    "//evil.example/",
    "//evil.example/integrations",
    "/integrations//evil.example",
    "/integrations/../..//evil.example",
    "/.//evil.example",
    "/..//evil.example",
    "/%2fevil.example",
    "/%2f%2fevil.example",
    "/%5cevil.example",
    "%2f%2fevil.example",
    "/\tevil.example",
    "/\t/evil.example",
    "\t//evil.example",
    " //evil.example",
    "//evil.example ",
    "/\n/evil.example",
    "/\r\nLocation: https://evil.example",
    "/integrations\r\nSet-Cookie: a=b",
    "/integrations%0d%0aSet-Cookie:a=b",
    "https://app.example@evil.example",
    "https://app.example.evil.example",
    "https://evil.example#app.example",
    "https://evil.example?app.example",
    "https://evil.example\\@app.example",
    "https://app.example:pw@evil.example",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\nscript:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "file:///etc/passwd",
    "//3232235777",
    "//0x7f000001",
    "//[::1]",
    "//\u{2025}evil.example",
    "//evil\u{3002}example",
    "/\u{2215}evil.example",
    "//evil.example%00.app.example",
    "/integrations\0//evil.example",
    "/integrations?",
    "/integrations/",
    "/Integrations",
    "integrations",
    "",
    "/settings",
];

async fn none_leaves_the_list(url: String) {
    let desk = DeskBench::new(url).await;
    let mut tricks: Vec<&str> = TRICKS.to_vec();
    tricks.sort_unstable();
    tricks.dedup();
    assert_eq!(tricks.len(), 60);
    for trick in tricks {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("redirect", trick)
            .finish();
        let there = desk
            .get(&desk.path(&format!("authorize?{query}")), None)
            .await;
        let revoke = Request::post(desk.path(&format!("revoke?{query}")));
        let revoke = desk.ask(revoke.header(header::ORIGIN, ORIGIN)).await;
        for answer in [there, revoke] {
            assert_eq!(answer.status.as_u16(), 400, "{trick:?}");
            assert!(!answer.headers.contains_key(header::LOCATION), "{trick:?}");
        }
        // On the way back nothing is asked for any more.
        let (back, cookie) = desk.begun().await;
        let ended = desk.get(&format!("{back}&{query}"), Some(&cookie)).await;
        assert_eq!(ended.location(), "/integrations", "{trick:?}");
    }
}

on_both!(none_leaves_the_list);
