//! The table of what is forbidden, by name, with the rule that forbids it.

/// Makes a head with this request line, a valid `Host` and nothing else.
pub(super) fn line(line: &str) -> Vec<u8> {
    format!("{line}\r\nHost: gather\r\n\r\n").into_bytes()
}

/// Makes a valid head with this target.
pub(super) fn target(target: &str) -> Vec<u8> {
    line(&format!("GET {target} HTTP/1.1"))
}

/// Makes a valid head that has this line, unchanged, among its fields.
pub(super) fn field(field: impl AsRef<[u8]>) -> Vec<u8> {
    let (before, after) = (
        &b"GET /aggregate HTTP/1.1\r\nHost: gather\r\n"[..],
        b"\r\nAccept: */*\r\n\r\n",
    );
    [before, field.as_ref(), after].concat()
}

/// Makes a valid head with this line instead of its `Host`.
pub(super) fn host(host: &str) -> Vec<u8> {
    format!("GET /aggregate HTTP/1.1\r\n{host}\r\n\r\n").into_bytes()
}

/// Makes a request with these fields about its body, and this body.
pub(super) fn body(method: &str, fields: &str, body: &str) -> Vec<u8> {
    format!("{method} /aggregate HTTP/1.1\r\nHost: gather\r\n{fields}\r\n\r\n{body}").into_bytes()
}

pub(super) type Case = (&'static str, Vec<u8>);

/// RFC 9112, section 2.2: lines end with CRLF, and a CR stands only before LF.
fn line_ends() -> Vec<Case> {
    let all: [(&str, &[u8]); 13] = [
        (
            "LF alone throughout",
            b"GET /aggregate HTTP/1.1\nHost: gather\n\n",
        ),
        (
            "LF alone after the request line",
            b"GET /aggregate HTTP/1.1\nHost: gather\r\n\r\n",
        ),
        (
            "LF alone after a field",
            b"GET /aggregate HTTP/1.1\r\nHost: gather\nA: b\r\n\r\n",
        ),
        (
            "LF alone at the end",
            b"GET /aggregate HTTP/1.1\r\nHost: gather\r\n\n",
        ),
        (
            "LF alone before the request line",
            b"\nGET /aggregate HTTP/1.1\r\nHost: gather\r\n\r\n",
        ),
        (
            "CR alone throughout",
            b"GET /aggregate HTTP/1.1\rHost: gather\r\r",
        ),
        (
            "CR alone in the request line",
            b"GET /aggregate\r HTTP/1.1\r\nHost: gather\r\n\r\n",
        ),
        (
            "CR CR LF after the request line",
            b"GET /aggregate HTTP/1.1\r\r\nHost: gather\r\n\r\n",
        ),
        (
            "CR alone in a field's value",
            b"GET /aggregate HTTP/1.1\r\nHost: gather\r\nA: b\rc\r\n\r\n",
        ),
        (
            "CR alone in a field's name",
            b"GET /aggregate HTTP/1.1\r\nHost: gather\r\nA\rb: c\r\n\r\n",
        ),
        (
            "CR alone before a value",
            b"GET /aggregate HTTP/1.1\r\nHost: gather\r\nA: \rb\r\n\r\n",
        ),
        (
            "CR CR LF after a field",
            b"GET /aggregate HTTP/1.1\r\nHost: gather\r\r\n\r\n",
        ),
        ("LF CR", b"GET /aggregate HTTP/1.1\n\rHost: gather\n\r\n\r"),
    ];
    all.map(|(name, bytes)| (name, bytes.to_vec())).into()
}

/// RFC 9112, section 3: method, one space, target, one space, version.
fn request_lines() -> Vec<Case> {
    [
        ("no target and no version", "GET"),
        ("no version: HTTP/0.9", "GET /aggregate"),
        ("nothing but a target", "/aggregate"),
        ("an empty target", "GET  HTTP/1.1"),
        ("two spaces before the target", "GET  /aggregate HTTP/1.1"),
        ("two spaces before the version", "GET /aggregate  HTTP/1.1"),
        ("a space before the method", " GET /aggregate HTTP/1.1"),
        ("a space after the version", "GET /aggregate HTTP/1.1 "),
        ("a tab before the target", "GET\t/aggregate HTTP/1.1"),
        ("a tab before the version", "GET /aggregate\tHTTP/1.1"),
        ("a vertical tab as a space", "GET\u{b}/aggregate HTTP/1.1"),
        ("a fourth part", "GET /aggregate HTTP/1.1 more"),
        ("a method in parentheses", "(GET) /aggregate HTTP/1.1"),
        ("a method with a colon", "GET: /aggregate HTTP/1.1"),
        ("a method with a slash", "G/T /aggregate HTTP/1.1"),
        ("a method with a NUL", "GE\0T /aggregate HTTP/1.1"),
        ("a method that is not ASCII", "GÉT /aggregate HTTP/1.1"),
        ("a lower-case version", "GET /aggregate http/1.1"),
        ("version 2.0", "GET /aggregate HTTP/2.0"),
        ("version 3.0", "GET /aggregate HTTP/3.0"),
        ("version 0.9", "GET /aggregate HTTP/0.9"),
        ("version 1", "GET /aggregate HTTP/1"),
        ("version 11", "GET /aggregate HTTP/11"),
        ("version 1.11", "GET /aggregate HTTP/1.11"),
        ("version 01.1", "GET /aggregate HTTP/01.1"),
        ("a version with a comma", "GET /aggregate HTTP/1,1"),
        ("a version with a space", "GET /aggregate HTTP/ 1.1"),
        ("another protocol", "GET /aggregate ICAP/1.0"),
        ("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM"),
        ("a status line", "HTTP/1.1 200 OK"),
    ]
    .map(|(name, text)| (name, line(text)))
    .into()
}

/// RFC 9112, section 3.2, and RFC 3986.
fn targets() -> Vec<Case> {
    [
        ("a relative target", "aggregate"),
        ("a query alone", "?mode=sync"),
        ("a fragment", "/aggregate#results"),
        ("a fragment in the query", "/aggregate?mode=sync#results"),
        ("a NUL in the target", "/aggregate\0"),
        ("a control character in the target", "/aggregate\u{1}"),
        ("a DEL in the target", "/aggregate\u{7f}"),
        ("a tab in the target", "/aggre\tgate"),
        ("a backslash in the path", "/aggregate\\default"),
        ("angle brackets", "/aggregate/<default>"),
        ("quotes", "/aggregate/\"default\""),
        ("a quote in the query", "/aggregate?mode=\"sync\""),
        ("a caret in the path", "/aggregate^"),
        ("a percent sign alone", "/aggregate%"),
        ("a percent sign and one digit", "/aggregate%4"),
        ("a percent sign without digits", "/aggregate%zz"),
        ("a percent sign alone in the query", "/aggregate?mode=100%"),
        ("letters that are not ASCII", "/aggregaté"),
        (
            "letters that are not ASCII in the query",
            "/aggregate?mode=é",
        ),
        ("an asterisk for GET", "*"),
        ("an authority for GET", "gather:80"),
        ("a scheme alone", "http://"),
        ("a scheme without an authority", "http:/aggregate"),
        ("an empty authority", "http:///aggregate"),
        ("a port without a host", "http://:80/aggregate"),
        ("an empty authority and a query", "http://?mode=sync"),
        ("an empty authority of https", "https:///aggregate"),
        ("a user in the authority", "http://me@gather/aggregate"),
        ("a user and a password", "http://me:secret@gather/aggregate"),
        ("a port that is none", "http://gather:http/aggregate"),
        ("an address without its end", "http://[::1/aggregate"),
        ("another scheme", "ftp://gather/aggregate"),
        ("a file", "file:///etc/passwd"),
        ("a script", "javascript:alert(1)"),
    ]
    .map(|(name, text)| (name, target(text)))
    .into()
}

/// RFC 9112, section 5, and RFC 9110, section 5.
fn fields() -> Vec<Case> {
    let mut all: Vec<Case> = [
        ("a space before the colon", "A : b"),
        ("a tab before the colon", "A\t: b"),
        (
            "a space before the colon of the length",
            "Content-Length : 0",
        ),
        ("a space in a name", "A b: c"),
        ("no colon", "A b"),
        ("no name", ": b"),
        ("a name in brackets", "[A]: b"),
        ("a name with a slash", "A/b: c"),
        ("a name with an at", "A@b: c"),
        ("a name in quotes", "\"A\": b"),
        ("a name with a NUL", "A\0: b"),
        ("a name that is not ASCII", "Ä: b"),
        ("a folded value", "A: b\r\n c"),
        ("a value folded with a tab", "A: b\r\n\tc"),
        ("a fold without a value", "A:\r\n "),
        ("a NUL in a value", "A: b\0c"),
        ("a bell in a value", "A: \u{7}"),
        ("an escape in a value", "A: \u{1b}[31m"),
        ("a DEL in a value", "A: \u{7f}"),
        ("a vertical tab in a value", "A: b\u{b}c"),
        ("a form feed in a value", "A: b\u{c}c"),
    ]
    .map(|(name, text)| (name, field(text)))
    .into();
    let first = "GET /aggregate HTTP/1.1\r\n Host: gather\r\nHost: gather\r\n\r\n";
    all.push(("a space before the first field", first.into()));
    all
}

/// RFC 9112, section 3.2: one valid `Host`.
fn hosts() -> Vec<Case> {
    [
        ("no Host", "Accept: */*"),
        ("an empty Host", "Host:"),
        ("a Host of white space", "Host: \t "),
        ("a Host that is a port alone", "Host: :80"),
        ("a Host that is a colon", "Host: :"),
        ("a Host that is an empty address", "Host: []"),
        ("two Hosts", "Host: gather\r\nHost: gather"),
        ("two different Hosts", "Host: gather\r\nhost: elsewhere"),
        ("a Host that is a list", "Host: gather, elsewhere"),
        ("a Host with a space", "Host: gat her"),
        ("a Host with a path", "Host: gather/aggregate"),
        ("a Host with a user", "Host: me@gather"),
        ("a Host with a scheme", "Host: http://gather"),
        ("a Host with a query", "Host: gather?a"),
        ("a Host with a bad port", "Host: gather:http"),
        ("a Host with a negative port", "Host: gather:-1"),
        ("a Host with two ports", "Host: gather:80:80"),
        ("a Host without its bracket", "Host: [::1"),
        ("a Host with more after its bracket", "Host: [::1]a"),
        ("a Host with a bad escape", "Host: gather%"),
        ("a Host that is not ASCII", "Host: gäther"),
        ("a Host with a backslash", "Host: gather\\"),
    ]
    .map(|(name, text)| (name, host(text)))
    .into()
}

/// RFC 9112, section 6: there is one way to give a body's length.
fn lengths() -> Vec<Case> {
    [
        ("a negative length", "Content-Length: -1"),
        ("a length with a plus", "Content-Length: +1"),
        ("a length that is empty", "Content-Length:"),
        ("a length in hexadecimal", "Content-Length: 0x1"),
        ("a length with a point", "Content-Length: 1.0"),
        ("a length with a space in it", "Content-Length: 1 1"),
        ("a length that is a list", "Content-Length: 1, 1"),
        ("a length in words", "Content-Length: one"),
        ("a length with an underscore", "Content-Length: 1_0"),
        (
            "a length beyond 64 bits",
            "Content-Length: 18446744073709551616",
        ),
        (
            "two lengths that are the same",
            "Content-Length: 1\r\nContent-Length: 1",
        ),
        ("two lengths", "Content-Length: 1\r\nContent-Length: 2"),
        (
            "two lengths of which one is 0",
            "Content-Length: 0\r\nContent-Length: 1",
        ),
        (
            "a length and chunks",
            "Content-Length: 1\r\nTransfer-Encoding: chunked",
        ),
        (
            "chunks and a length",
            "Transfer-Encoding: chunked\r\nContent-Length: 1",
        ),
        (
            "chunks and a length of 0",
            "Transfer-Encoding: chunked\r\nContent-Length: 0",
        ),
        ("another coding", "Transfer-Encoding: gzip"),
        (
            "a coding before chunked",
            "Transfer-Encoding: gzip, chunked",
        ),
        (
            "chunked before another coding",
            "Transfer-Encoding: chunked, gzip",
        ),
        ("chunked twice", "Transfer-Encoding: chunked, chunked"),
        (
            "chunked in two fields",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        ),
        ("identity", "Transfer-Encoding: identity"),
        (
            "identity and chunked",
            "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        ),
        ("no coding", "Transfer-Encoding:"),
        ("a misspelt coding", "Transfer-Encoding: chunkedx"),
        ("a quoted coding", "Transfer-Encoding: \"chunked\""),
        (
            "a vertical tab before chunked",
            "Transfer-Encoding: \u{b}chunked",
        ),
        ("chunked with a parameter", "Transfer-Encoding: chunked;q=1"),
    ]
    .map(|(name, text)| (name, body("POST", text, "1\r\na\r\n0\r\n\r\n")))
    .into()
}

/// HTTP/1.0, which has other rules for bodies (RFC 9112, sections 6.1 and 6.3).
fn old() -> Vec<Case> {
    [
        (
            "chunks in HTTP/1.0",
            "POST /aggregate HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "chunks and a length in HTTP/1.0",
            "POST /aggregate HTTP/1.0\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\na",
        ),
        (
            "a POST without a length in HTTP/1.0",
            "POST /aggregate HTTP/1.0\r\n\r\n",
        ),
        (
            "two Hosts in HTTP/1.0",
            "GET /aggregate HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
        ),
        (
            "an empty Host in HTTP/1.0",
            "GET /aggregate HTTP/1.0\r\nHost: \r\n\r\n",
        ),
        (
            "a bad Host in HTTP/1.0",
            "GET /aggregate HTTP/1.0\r\nHost: a b\r\n\r\n",
        ),
    ]
    .map(|(name, text)| (name, text.into()))
    .into()
}

/// RFC 9112, section 7.1. No route takes a body, so these requests are refused for what they announce. No part of them
/// may be taken for a request that follows.
fn chunks() -> Vec<Case> {
    let smuggled = "GET /aggregate HTTP/1.1\r\nHost: gather\r\n\r\n";
    [
        ("a chunk size that is no number", "x\r\na\r\n0\r\n\r\n"),
        ("a negative chunk size", "-1\r\na\r\n0\r\n\r\n"),
        ("a chunk size with a plus", "+1\r\na\r\n0\r\n\r\n"),
        ("a chunk size with 0x", "0x1\r\na\r\n0\r\n\r\n"),
        ("a chunk size with an underscore", "1_0\r\na\r\n0\r\n\r\n"),
        (
            "a chunk size with a space before it",
            " 1\r\na\r\n0\r\n\r\n",
        ),
        ("an empty chunk size", "\r\na\r\n0\r\n\r\n"),
        (
            "a chunk size beyond 64 bits",
            "10000000000000000\r\na\r\n0\r\n\r\n",
        ),
        ("a chunk larger than it says", "1\r\nab\r\n0\r\n\r\n"),
        ("a chunk without its line end", "1\r\na0\r\n\r\n"),
        ("a chunk size that ends with LF", "1\na\r\n0\r\n\r\n"),
        ("a chunk size that ends with CR", "1\ra\r\n0\r\n\r\n"),
        ("an extension with LF", "1;a\n\r\na\r\n0\r\n\r\n"),
        ("an extension with a NUL", "1;\0\r\na\r\n0\r\n\r\n"),
        (
            "a trailer that is a length",
            "1\r\na\r\n0\r\nContent-Length: 5\r\n\r\n",
        ),
        ("a folded trailer", "1\r\na\r\n0\r\nA: b\r\n c\r\n\r\n"),
        ("a last chunk that ends with LF", "0\n\r\n"),
        ("a last chunk that ends with CR", "0\r\r\n"),
        ("a last chunk with a space after it", "0 \r\n\r\n"),
        ("a last chunk with a space before it", " 0\r\n\r\n"),
        ("a last chunk with a minus", "-0\r\n\r\n"),
        ("a last chunk with 0x", "0x0\r\n\r\n"),
        ("a last chunk of 17 zeros", "00000000000000000\r\n\r\n"),
        ("a last chunk with an empty extension", "0;\r\n\r\n"),
        ("a last chunk with half a quote", "0;a=\"b\r\n\r\n"),
        ("a last chunk with LF in a quote", "0;a=\"b\n\"\r\n\r\n"),
        ("an end with LF alone", "0\r\n\n"),
        ("a trailer with LF alone", "0\r\nA: b\n\r\n"),
        (
            "a last chunk with a length",
            "0\r\nContent-Length: 5\r\n\r\n",
        ),
        (
            "a last chunk with a coding",
            "0\r\nTransfer-Encoding: chunked\r\n\r\n",
        ),
        ("a last chunk with a Host", "0\r\nhost: elsewhere\r\n\r\n"),
        (
            "a last chunk with a folded trailer",
            "0\r\nA: b\r\n c\r\n\r\n",
        ),
        ("a last chunk without an empty line", "0\r\n"),
        ("no last chunk", "1\r\na\r\n"),
        ("a request in the place of a chunk", smuggled),
    ]
    .map(|(name, text)| {
        (
            name,
            body(
                "GET",
                "Transfer-Encoding: chunked",
                &format!("{text}{smuggled}"),
            ),
        )
    })
    .into()
}

/// Heads that are too long, and bytes that are not HTTP.
fn others() -> Vec<Case> {
    let long = |bytes: usize| "x".repeat(bytes);
    vec![
        (
            "a target of 9,000 bytes",
            target(&format!("/{}", long(9_000))),
        ),
        (
            "a target of 100,000 bytes",
            target(&format!("/{}", long(100_000))),
        ),
        (
            "a method of 10,000 bytes",
            line(&format!("{} / HTTP/1.1", long(10_000))),
        ),
        ("a request line without an end", long(10_000).into_bytes()),
        (
            "a value of 70,000 bytes",
            field(format!("A: {}", long(70_000))),
        ),
        (
            "a name of 66,000 bytes",
            field(format!("{}: a", long(66_000))),
        ),
        (
            "a head of 101 fields",
            field("A: b\r\n".repeat(98) + "A: b"),
        ),
        (
            "a hello of TLS",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        ),
        ("a greeting of SSH", b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
        (
            "a header of the PROXY protocol",
            b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n".to_vec(),
        ),
        (
            "the second PROXY protocol",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c".to_vec(),
        ),
        ("a request of memcached", b"get aggregate\r\n".to_vec()),
        ("a request of redis", b"*1\r\n$4\r\nPING\r\n".to_vec()),
        ("NULs", vec![0; 64]),
        (
            "a byte order mark",
            [b"\xef\xbb\xbf", &target("/aggregate")[..]].concat(),
        ),
        (
            "an interim answer",
            b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(),
        ),
        ("JSON", b"{\"aggregate\": \"default\"}\r\n\r\n".to_vec()),
    ]
}

pub(super) fn all() -> Vec<Case> {
    [
        line_ends(),
        request_lines(),
        targets(),
        fields(),
        hosts(),
        lengths(),
        old(),
        chunks(),
        others(),
    ]
    .concat()
}
