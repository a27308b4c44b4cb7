//! The bytes of a token.

/// Whether a byte may stand in a token (RFC 9110 §5.6.2, `tchar`).
pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
