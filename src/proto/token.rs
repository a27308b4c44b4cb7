//! The bytes of a token, and names in any case.

/// Whether a byte may stand in a token (RFC 9110 §5.6.2, `tchar`).
#[inline]
pub(super) fn is_token_byte(byte: u8) -> bool {
    matches!(
        byte,
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z'
            | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_'
            | b'`' | b'|' | b'~'
    )
}

/// Whether this is the name, which is in lower case, in any case. Faster than a comparison of slices, since
/// the length is known.
#[inline]
pub(super) fn is_name<const N: usize>(bytes: &[u8; N], name: &[u8; N]) -> bool {
    let is_letter = |(byte, name): (&u8, &u8)| byte == name || *byte == name.to_ascii_uppercase();
    bytes.iter().zip(name).all(is_letter)
}
