//! The id of a request: the caller's if it is harmless, otherwise a new one. It goes to the caller, to upstreams and to
//! the log. It must not know the request.

use actix_web::http::header::HeaderValue;

/// The longest id that is taken from a caller, in bytes.
pub(super) const LONGEST: usize = 128;

/// The request's id, as a field value of visible ASCII.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(super) HeaderValue);

impl RequestId {
    /// Takes the caller's id if it is harmless in a header, a log line and a URL. Otherwise makes a new id.
    pub(super) fn of(given: Option<&HeaderValue>) -> Self {
        given
            .filter(|value| is_sane(value.as_bytes()))
            .map_or_else(Self::random, |value| Self(value.clone()))
    }

    /// Makes an id of 128 random bits in hexadecimal. It is unique, but not secret.
    pub(crate) fn random() -> Self {
        let mut bits = fastrand::u128(..);
        let text: [u8; 32] = std::array::from_fn(|_| {
            let digit = b"0123456789abcdef"[(bits & 15) as usize];
            bits >>= 4;
            digit
        });
        Self(HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("0")))
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

fn is_sane(id: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:~+/=@".contains(byte);
    (1..=LONGEST).contains(&id.len()) && id.iter().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sane_id_is_kept_and_any_other_replaced() {
        let kept = HeaderValue::from_static("req-42_a.b:c");
        assert_eq!(RequestId::of(Some(&kept)).0, kept);
        for strange in ["", "a b", "a\"b", "a;b", &"x".repeat(129)] {
            let value = HeaderValue::from_str(strange).unwrap();
            let id = RequestId::of(Some(&value));
            assert_eq!(id.as_str().len(), 32, "{strange:?}");
        }
        assert_ne!(RequestId::of(None).as_str(), RequestId::of(None).as_str());
    }
}
