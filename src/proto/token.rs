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

/// Whether this is the name, of letters in lower case and hyphens, in any case. Faster than a comparison of
/// slices: the length is known, and eight bytes are compared at a time.
#[inline]
pub(super) fn is_name<const N: usize>(bytes: &[u8; N], name: &[u8; N]) -> bool {
    let (mut bytes, mut name) = (&bytes[..], &name[..]);
    while let (Some((word, bytes_behind)), Some((name_word, name_behind))) =
        (bytes.split_first_chunk(), name.split_first_chunk())
    {
        if !is_word(u64::from_ne_bytes(*word), u64::from_ne_bytes(*name_word)) {
            return false;
        }
        (bytes, name) = (bytes_behind, name_behind);
    }
    let mut pairs = bytes.iter().zip(name);
    pairs.all(|(&byte, &name)| is_word(byte.into(), name.into()))
}

/// The same of a part of the name, where each byte is one of the bytes that the numbers consist of.
#[inline]
fn is_word(bytes: u64, name: u64) -> bool {
    // The bit that lower case has and upper case has not.
    const CASE: u64 = u64::from_ne_bytes([0x20; 8]);
    // The bit above it is set in letters, but not in a hyphen.
    let may_differ = (name >> 1) & CASE;
    (bytes ^ name) & !may_differ == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_differs_by_case_alone<const N: usize>(name: &[u8; N]) {
        for at in 0..N {
            for byte in 0..=u8::MAX {
                let mut other = *name;
                other[at] = byte;
                let expected = byte.eq_ignore_ascii_case(&name[at]);
                assert_eq!(is_name(&other, name), expected, "{at} {byte}");
            }
        }
    }

    #[test]
    fn a_name_may_differ_in_the_case_of_its_letters_alone() {
        assert_differs_by_case_alone(b"max");
        assert_differs_by_case_alone(b"keep-alive");
        assert_differs_by_case_alone(b"content-length");
        assert_differs_by_case_alone(b"transfer-encoding");
    }
}
