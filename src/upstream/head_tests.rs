//! Heads of answers, and the facts that are read from them.

use super::*;

fn framing(head: &str) -> Result<Framing, &'static str> {
    parse(head.as_bytes(), false).map(|head| head.expect("whole").framing)
}

#[test]
fn a_head_is_unknown_until_its_empty_line() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n";
    for cut in 0..head.len() {
        assert_eq!(parse(&head.as_bytes()[..cut], false), Ok(None), "{cut}");
    }
    assert_eq!(framing(head), Ok(Framing::Length(4)));
}

#[test]
fn a_body_without_a_declared_end_ends_with_the_connection() {
    assert_eq!(framing("HTTP/1.1 200 OK\r\n\r\n"), Ok(Framing::Close));
    assert_eq!(framing("HTTP/1.0 200 OK\r\n\r\n"), Ok(Framing::Close));
}

#[test]
fn answers_that_have_no_body_have_none_whatever_they_declare() {
    for status in ["204 No Content", "304 Not Modified"] {
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: 4\r\n\r\n");
        assert_eq!(framing(&head), Ok(Framing::None));
    }
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n";
    assert_eq!(parse(head, true).unwrap().unwrap().framing, Framing::None);
}

#[test]
fn an_end_declared_twice_is_refused() {
    for fields in [
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 3\r\nContent-Length: 4\r\n",
        "Content-Length: 3, 4\r\n",
        "Content-Length: 3, 3\r\nContent-Length: 3, 4\r\n",
        "Content-Length: 3\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    ] {
        let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
        assert_eq!(
            framing(&head),
            Err("the answer says its length more than once")
        );
    }
}

#[test]
fn a_type_is_read_whole_whatever_its_parameters_are_written_in() {
    for (value, shown) in [
        (
            &b"text/csv; name=\"caf\xe9\""[..],
            "text/csv; name=\"caf\u{e9}\"",
        ),
        (
            b"text/csv; name=\"caf\xc3\xa9\"",
            "text/csv; name=\"caf\u{e9}\"",
        ),
        (
            b" application/vnd.x; name=\"\xe9\"; charset=utf-8\t",
            "application/vnd.x; name=\"\u{e9}\"; charset=utf-8",
        ),
        (b"application/\xe9+json", "application/\u{e9}+json"),
    ] {
        let head = [
            &b"HTTP/1.1 200 OK\r\nContent-Type: "[..],
            value,
            b"\r\n\r\n",
        ]
        .concat();
        let head = parse(&head, false).unwrap().unwrap();
        assert_eq!(head.described, Described::new(Some(shown), None));
    }
}

#[test]
fn the_same_length_said_again_is_taken() {
    for fields in [
        "Content-Length: 3\r\nContent-Length: 3\r\n",
        "Content-Length: 3, 3\r\n",
        "Content-Length: 3,3 ,\t003\r\nA: b\r\ncontent-length: 3\r\n",
    ] {
        let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
        assert_eq!(framing(&head), Ok(Framing::Length(3)), "{fields}");
    }
}

#[test]
fn chunks_are_chunks_however_they_are_written_and_no_other_coding_is() {
    for value in ["chunked", "Chunked", "CHUNKED", ", chunked", "chunked ,,"] {
        let head = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {value}\r\n\r\n");
        assert_eq!(framing(&head), Ok(Framing::Chunked), "{value}");
    }
    for value in [
        "",
        ",",
        "gzip",
        "gzip, chunked",
        "chunked, chunked",
        "chunked;a=b",
    ] {
        let head = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {value}\r\n\r\n");
        assert!(framing(&head).is_err(), "{value}");
    }
}

#[test]
fn a_205_has_no_body_and_its_connection_lasts_only_where_its_end_is_sure() {
    for (fields, lasts) in [
        ("", false),
        ("Content-Length: 0\r\n", true),
        ("Content-Length: 0\r\nConnection: close\r\n", false),
        ("Content-Length: 4\r\n", false),
        ("Transfer-Encoding: chunked\r\n", false),
    ] {
        let head = format!("HTTP/1.1 205 Reset Content\r\n{fields}\r\n");
        let head = parse(head.as_bytes(), false).unwrap().unwrap();
        assert_eq!(
            (head.framing, head.lasts),
            (Framing::None, lasts),
            "{fields}"
        );
    }
}

#[test]
fn a_head_has_up_to_256_fields() {
    let head = |fields: usize| format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(fields));
    assert_eq!(framing(&head(MAX_FIELDS)), Ok(Framing::Close));
    assert_eq!(
        framing(&head(MAX_FIELDS + 1)),
        Err("the answer's head has more than 256 fields")
    );
}

#[test]
fn lengths_that_are_no_numbers_are_refused() {
    for value in [
        "+3",
        "-3",
        "0x3",
        "3,",
        ",3",
        "3, x",
        "3;3",
        "",
        "3 3",
        "99999999999999999999999",
    ] {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {value}\r\n\r\n");
        assert_eq!(framing(&head), Err("the answer's length is not a number"));
    }
}

#[test]
fn what_is_not_http_is_refused() {
    for bytes in [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
    ] {
        assert!(parse(bytes.as_bytes(), false).is_err(), "{bytes:?}");
    }
}

#[test]
fn a_time_to_ask_again_is_a_number_of_seconds() {
    for (value, seconds) in [("3", Some(3)), ("soon", None), ("-1", None)] {
        let head = format!("HTTP/1.1 503 Busy\r\nRetry-After: {value}\r\n\r\n");
        let head = parse(head.as_bytes(), false).unwrap().unwrap();
        assert_eq!(head.retry_after, seconds.map(Duration::from_secs));
    }
}

#[test]
fn statuses_that_the_gateway_cannot_mean_are_refused() {
    assert!(framing("HTTP/1.1 101 Switching Protocols\r\n\r\n").is_err());
    assert!(framing("HTTP/1.1 099 Below\r\n\r\n").is_err());
    assert!(framing("HTTP/1.1 000 Below\r\n\r\n").is_err());
    // RFC 9110, section 15: a client takes them for failures of the server.
    for status in [600, 999] {
        let head = format!("HTTP/1.1 {status} Beyond\r\n\r\n");
        let head = parse(head.as_bytes(), false).unwrap().unwrap();
        assert_eq!(head.status.as_u16(), status);
    }
}

#[test]
fn a_connection_lasts_by_its_version_and_what_the_answer_says() {
    for (head, lasts) in [
        ("HTTP/1.1 200 OK\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\nConnection: x , Close\r\n\r\n", false),
        (
            "HTTP/1.1 200 OK\r\nconnection: keep-alive\r\nconnection: close\r\n\r\n",
            false,
        ),
        ("HTTP/1.0 200 OK\r\n\r\n", false),
        ("HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n", false),
        (
            "HTTP/1.0 200 OK\r\nA: b\r\nconnection: x, Keep-Alive\r\n\r\n",
            true,
        ),
    ] {
        let parsed = parse(head.as_bytes(), false).unwrap().unwrap();
        assert_eq!(parsed.lasts, lasts, "{head}");
    }
}

#[test]
fn of_several_times_to_idle_the_shortest_holds_in_either_version() {
    for (head, idle) in [
        ("HTTP/1.1 200 OK\r\n\r\n", None),
        (
            "HTTP/1.1 200 OK\r\nkeep-alive: timeout=9\r\nKEEP-ALIVE: timeout=3\r\n\r\n",
            Some(2),
        ),
        (
            "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nKeep-Alive: timeout=3, max=9\r\n\r\n",
            Some(2),
        ),
    ] {
        let parsed = parse(head.as_bytes(), false).unwrap().unwrap();
        assert!(parsed.lasts, "{head}");
        assert_eq!(
            parsed.idle.time(),
            idle.map_or(Idle::UNSAID.time(), Duration::from_secs),
            "{head}"
        );
    }
    let none_left = b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=0\r\n\r\n";
    assert!(!parse(none_left, false).unwrap().unwrap().lasts);
}
