//! Reads the request with a logout token (Back-Channel Logout 1.0 §2.5) strictly.
//!
//! Some receivers reject additional parameters, so this one does too: a lenient mock would hide mistakes.

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;

/// The longest body, in bytes. Logout tokens are one or two thousand.
const MAX_BODY: usize = 64 * 1024;

/// Why a request carries no logout token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FormError {
    #[error("the Content-Type must be application/x-www-form-urlencoded")]
    ContentType,
    #[error("the body is longer than {MAX_BODY} bytes, or was interrupted")]
    Body,
    #[error("there is no logout_token in the body")]
    Missing,
    #[error("the body must be exactly one logout_token, and it has {0} parameters")]
    Several(usize),
    #[error("the one parameter must be logout_token, not {0:?}")]
    Other(String),
}

/// The logout token of a request: the one and only parameter of its form.
pub(super) async fn logout_token(request: Request) -> Result<String, FormError> {
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(FormError::ContentType);
    }
    let body = to_bytes(request.into_body(), MAX_BODY).await.map_err(|_| FormError::Body)?;
    let mut parameters: Vec<_> = url::form_urlencoded::parse(&body).into_owned().collect();
    match (parameters.len(), parameters.pop()) {
        (1, Some((name, token))) if name == "logout_token" => Ok(token),
        (1, Some((name, _))) => Err(FormError::Other(name)),
        (_, None) => Err(FormError::Missing),
        (count, Some(_)) => Err(FormError::Several(count)),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    async fn read(content_type: &str, body: impl Into<Body>) -> Result<String, FormError> {
        let request = Request::builder().header(CONTENT_TYPE, content_type).body(body.into()).unwrap();
        logout_token(request).await
    }

    #[tokio::test]
    async fn exactly_one_logout_token_is_taken() {
        const FORM: &str = "application/x-www-form-urlencoded";
        for (content_type, body, expected) in [
            (FORM, "logout_token=a.b.c", Ok("a.b.c".to_owned())),
            ("Application/X-WWW-Form-Urlencoded; charset=utf-8", "logout_token=a", Ok("a".to_owned())),
            ("application/json", "logout_token=a", Err(FormError::ContentType)),
            ("", "logout_token=a", Err(FormError::ContentType)),
            (FORM, "", Err(FormError::Missing)),
            (FORM, "token=a", Err(FormError::Other("token".to_owned()))),
            (FORM, "logout_token=a&logout_token=a", Err(FormError::Several(2))),
            (FORM, "logout_token=a&state=1", Err(FormError::Several(2))),
        ] {
            assert_eq!(read(content_type, body).await, expected, "{content_type} {body}");
        }
        assert_eq!(read(FORM, vec![b'a'; MAX_BODY + 1]).await, Err(FormError::Body));
    }
}
