//! The request decoder.

use crate::resp::args::ArgsBuf;
use crate::resp::decode::{Decoded, RequestBounds, decode};
use crate::resp::limit;
use crate::resp::malformed::Malformed;

/// What a decoder says, in a form that outlives the input.
#[derive(PartialEq, Debug)]
enum Said {
    Request(Vec<Vec<u8>>, usize),
    Empty(usize),
    Incomplete(usize),
    Malformed(Malformed),
}

fn say(input: &[u8], bounds: RequestBounds) -> Said {
    let mut buf = ArgsBuf::new();
    match decode(input, bounds, &mut buf) {
        Ok(Decoded::Request { args, consumed }) => {
            Said::Request(args.iter().map(<[u8]>::to_vec).collect(), consumed)
        }
        Ok(Decoded::Empty { consumed }) => Said::Empty(consumed),
        Ok(Decoded::Incomplete { needed }) => Said::Incomplete(needed),
        Err(malformed) => Said::Malformed(malformed),
    }
}

fn ordinary(input: &[u8]) -> Said {
    say(input, RequestBounds::ORDINARY)
}

fn words(words: &[&[u8]]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.to_vec()).collect()
}

/// A request, and the words that it stands for.
type Case = (&'static [u8], &'static [&'static [u8]]);

const REQUESTS: &[Case] = &[
    (b"*1\r\n$4\r\nPING\r\n", &[b"PING"]),
    (b"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n", &[b"ECHO", b""]),
    (b"*2\r\n$4\r\nECHO\r\n$4\r\n\r\n\0\xff\r\n", &[b"ECHO", b"\r\n\0\xff"]),
    (b"*3\r\n$6\r\nQ.POLL\r\n$4\r\nshop\r\n$3\r\nabc\r\n", &[b"Q.POLL", b"shop", b"abc"]),
    (b"PING\r\n", &[b"PING"]),
    (b"PING\n", &[b"PING"]),
    (b" \t set  a\x0b\x0cb \r\n", &[b"set", b"a", b"b"]),
    (b"e \"a b\" 'c d'\r\n", &[b"e", b"a b", b"c d"]),
    (b"e \"\" ''\n", &[b"e", b"", b""]),
    (b"e pre\"fix\"\n", &[b"e", b"prefix"]),
    (b"e \"\\x41\\n\\r\\t\\b\\a\\\"\\\\\\q\"\n", &[b"e", b"A\n\r\t\x08\x07\"\\q"]),
    (b"e \"\\x4\\xzz\\xfF\"\n", &[b"e", b"x4xzz\xff"]),
    (b"e 'a\\'b\\n'\n", &[b"e", b"a'b\\n"]),
    (b"e \xc3\xa9\xff\n", &[b"e", b"\xc3\xa9\xff"]),
    (b"e a\0b c\n", &[b"e", b"a"]),
];

const EMPTY: &[&[u8]] = &[b"\r\n", b"\n", b"   \r\n", b"*0\r\n", b"*-1\r\n", b"*-12\r\n", b"\0\n"];

const MALFORMED: &[(&[u8], Malformed)] = &[
    (b"*\r\n", Malformed::MultibulkLength),
    (b"*a\r\n", Malformed::MultibulkLength),
    (b"*1a\r\n", Malformed::MultibulkLength),
    (b"*+1\r\n", Malformed::MultibulkLength),
    (b"*01\r\n", Malformed::MultibulkLength),
    (b"*-0\r\n", Malformed::MultibulkLength),
    (b"* 1\r\n", Malformed::MultibulkLength),
    (b"*1\rX", Malformed::MultibulkLength),
    (b"*1\n", Malformed::MultibulkLength),
    (b"*1025\r\n", Malformed::MultibulkLength),
    (b"*99999999999999999999\r\n", Malformed::MultibulkLength),
    (b"*1\r\n:1\r\n...", Malformed::ExpectedBulk(b':')),
    (b"*1\r\n*1\r\n$4\r\nPING\r\n", Malformed::ExpectedBulk(b'*')),
    (b"*1\r\n$\r\n", Malformed::BulkLength),
    (b"*1\r\n$-1\r\n", Malformed::BulkLength),
    (b"*1\r\n$-\r\n", Malformed::BulkLength),
    (b"*1\r\n$65537\r\n", Malformed::BulkLength),
    (b"*1\r\n$9223372036854775808\r\n", Malformed::BulkLength),
    (b"*1\r\n$00\r\n\r\n", Malformed::BulkLength),
    (b"*1\r\n$4\r\nPINGXX", Malformed::BulkEnd),
    (b"*1\r\n$4\r\nPING\rX", Malformed::BulkEnd),
    (b"e \"a\n", Malformed::UnbalancedQuotes),
    (b"e 'a\n", Malformed::UnbalancedQuotes),
    (b"e \"a\"b\n", Malformed::UnbalancedQuotes),
    (b"e 'a'b\n", Malformed::UnbalancedQuotes),
    (b"e \"a\\\n", Malformed::UnbalancedQuotes),
    (b"e \"a\0\"\n", Malformed::UnbalancedQuotes),
];

#[test]
fn requests_are_read_and_what_follows_them_is_left() {
    for (input, expected) in REQUESTS {
        assert_eq!(ordinary(input), Said::Request(words(expected), input.len()), "{input:?}");
        let followed = [input, &b"*1\r\n$4\r\nNEXT\r\n"[..]].concat();
        assert_eq!(ordinary(&followed), Said::Request(words(expected), input.len()), "{input:?}");
    }
    for input in EMPTY {
        assert_eq!(ordinary(input), Said::Empty(input.len()), "{input:?}");
    }
}

#[test]
fn malformed_requests_are_told_by_name() {
    for (input, expected) in MALFORMED {
        assert_eq!(ordinary(input), Said::Malformed(*expected), "{:?}", String::from_utf8_lossy(input));
    }
}

#[test]
fn the_texts_are_those_of_redis() {
    let texts = [
        (Malformed::MultibulkLength, "Protocol error: invalid multibulk length"),
        (Malformed::BulkLength, "Protocol error: invalid bulk length"),
        (Malformed::ExpectedBulk(b'x'), "Protocol error: expected '$', got 'x'"),
        (Malformed::ExpectedBulk(b'\r'), "Protocol error: expected '$', got ' '"),
        (Malformed::InlineTooBig, "Protocol error: too big inline request"),
        (Malformed::UnbalancedQuotes, "Protocol error: unbalanced quotes in request"),
        (Malformed::UnauthenticatedMultibulkLength, "Protocol error: unauthenticated multibulk length"),
        (Malformed::UnauthenticatedBulkLength, "Protocol error: unauthenticated bulk length"),
    ];
    for (malformed, text) in texts {
        assert_eq!(malformed.to_string(), text);
    }
}

#[test]
fn a_part_of_a_request_is_incomplete_and_asks_for_no_more_than_the_whole() {
    for input in REQUESTS.iter().map(|(input, _)| input).chain(EMPTY) {
        for cut in 0..input.len() {
            let Said::Incomplete(needed) = ordinary(&input[..cut]) else {
                panic!("{:?} cut at {cut} is not incomplete", String::from_utf8_lossy(input));
            };
            assert!(needed > cut && needed <= input.len(), "{cut} of {input:?}: needed {needed}");
        }
    }
}

#[test]
fn a_malformed_request_is_never_taken_for_a_whole_one_before_it_has_all_come() {
    for (input, expected) in MALFORMED {
        for cut in 0..input.len() {
            let said = ordinary(&input[..cut]);
            let fine = matches!(said, Said::Incomplete(_)) || said == Said::Malformed(*expected);
            assert!(fine, "{cut} of {:?}: {said:?}", String::from_utf8_lossy(input));
        }
    }
}

/// How often a caller that honours `needed` decodes while the bytes come one at a time.
fn tries_byte_by_byte(input: &[u8]) -> usize {
    let (mut tries, mut needed) = (0, 1);
    for have in 1..=input.len() {
        if have < needed {
            continue;
        }
        tries += 1;
        match ordinary(&input[..have]) {
            Said::Incomplete(more) => needed = more,
            Said::Request(_, consumed) => assert_eq!(consumed, input.len()),
            other => panic!("{other:?}"),
        }
    }
    tries
}

#[test]
fn a_slow_sender_costs_no_more_tries_than_a_few_an_argument() {
    for len in [0usize, 1, 9, 100] {
        let count = limit::ARGS_MAX;
        let mut input = format!("*{count}\r\n").into_bytes();
        for _ in 0..count {
            input.extend_from_slice(format!("${len}\r\n{}\r\n", "x".repeat(len)).as_bytes());
        }
        let tries = tries_byte_by_byte(&input);
        assert!(tries <= 2 * count, "{tries} tries for {count} arguments of {len} bytes");
    }
}

#[test]
fn every_bound_is_kept() {
    let many = |count: usize| format!("*{count}\r\n{}", "$1\r\nx\r\n".repeat(count)).into_bytes();
    assert!(matches!(ordinary(&many(limit::ARGS_MAX)), Said::Request(..)));
    assert_eq!(ordinary(&many(limit::ARGS_MAX + 1)), Said::Malformed(Malformed::MultibulkLength));

    let long = |len: usize| format!("*1\r\n${len}\r\n{}\r\n", "x".repeat(len)).into_bytes();
    assert!(matches!(ordinary(&long(limit::BULK_BYTES_MAX)), Said::Request(..)));
    assert_eq!(ordinary(&long(limit::BULK_BYTES_MAX + 1)), Said::Malformed(Malformed::BulkLength));

    let line = |len: usize| [&vec![b'x'; len - 1][..], b"\n"].concat();
    assert!(matches!(ordinary(&line(limit::INLINE_BYTES_MAX)), Said::Request(..)));
    assert_eq!(ordinary(&line(limit::INLINE_BYTES_MAX + 1)), Said::Malformed(Malformed::InlineTooBig));
    let endless = vec![b'x'; limit::INLINE_BYTES_MAX];
    assert_eq!(ordinary(&endless), Said::Malformed(Malformed::InlineTooBig));

    let line = |count: usize| "x ".repeat(count).into_bytes();
    let line = |count: usize| [line(count), b"\n".to_vec()].concat();
    assert!(matches!(ordinary(&line(limit::ARGS_MAX)), Said::Request(..)));
    assert_eq!(ordinary(&line(limit::ARGS_MAX + 1)), Said::Malformed(Malformed::InlineArguments));
}

#[test]
fn a_request_as_a_whole_is_bounded_before_it_has_come() {
    let bounds = RequestBounds { request_bytes: 1_000, ..RequestBounds::ORDINARY };
    let within = format!("*2\r\n$480\r\n{}\r\n$480\r\n", "x".repeat(480)).into_bytes();
    assert!(matches!(say(&within, bounds), Said::Incomplete(_)));
    let beyond = b"*2\r\n$480\r\n";
    let too_long = [&beyond[..], "x".repeat(480).as_bytes(), b"\r\n$600\r\n"].concat();
    assert_eq!(say(&too_long, bounds), Said::Malformed(Malformed::RequestTooBig));
    assert_eq!(say(b"*1\r\n$2000\r\n", bounds), Said::Malformed(Malformed::RequestTooBig));
    // So many arguments cannot fit, however short they are.
    assert_eq!(say(b"*500\r\n", bounds), Said::Malformed(Malformed::RequestTooBig));
    let line = [&vec![b'x'; 2_000][..], b"\n"].concat();
    assert_eq!(say(&line, bounds), Said::Malformed(Malformed::RequestTooBig));
}

#[test]
fn before_login_little_is_accepted() {
    let before = |input: &[u8]| say(input, RequestBounds::UNAUTHENTICATED);
    assert_eq!(before(b"*11\r\n"), Said::Malformed(Malformed::UnauthenticatedMultibulkLength));
    assert_eq!(before(b"*1\r\n$16385\r\n"), Said::Malformed(Malformed::UnauthenticatedBulkLength));
    assert_eq!(before(b"a b c d e f g h i j k\n"), Said::Malformed(Malformed::InlineArguments));
    assert!(matches!(before(b"*10\r\n$16384\r\n"), Said::Incomplete(_)));
}

#[test]
fn a_buffer_that_served_once_serves_again_without_growing_and_without_leftovers() {
    let mut buf = ArgsBuf::new();
    for input in [&b"e 'a b' c\n"[..], b"*2\r\n$1\r\nx\r\n$1\r\ny\r\n", b"*1\r\n$", b"z\n"] {
        let again = decode(input, RequestBounds::ORDINARY, &mut buf).map(|decoded| match decoded {
            Decoded::Request { args, .. } => args.iter().map(<[u8]>::to_vec).collect(),
            _ => Vec::new(),
        });
        let fresh = match ordinary(input) {
            Said::Request(args, _) => args,
            _ => Vec::new(),
        };
        assert_eq!(again, Ok(fresh));
    }
}
