//! The descriptive members and their types.
//!
//! Sources: OpenID Connect Dynamic Client Registration 1.0 §2; and the client object of Auth0's Management API as
//! its SDKs (node-auth0 7.1, auth0-python 6.8, go-auth0 1.47), its Deploy CLI (8.44) and its Terraform provider have
//! it. Words such as those of `app_type` are not checked: nothing here acts on them, and there will be others.

use super::kind::Kind::{Any, Flag, Number, Object, Objects, Text, TextMap, Texts};
use super::kind::{Kind, Member};

/// Members that are stored and returned.
pub(super) const KEPT: &[Member] = &[
    ("addons", Object(ADDONS)),
    ("allowed_clients", Texts),
    ("allowed_logout_urls", Texts),
    ("allowed_origins", Texts),
    ("anonymous_sessions", ACTIVE),
    ("app_type", Text),
    ("application_type", Text),
    ("async_approval_notification_channels", Texts),
    ("b2b_integration_configuration", Object(&[("integration_type", Text), ("sso_profiles", Texts)])),
    ("callbacks", Texts),
    ("client_aliases", Texts),
    ("client_authentication_methods", Object(AUTHENTICATION_METHODS)),
    ("client_metadata", TextMap),
    ("client_uri", Text),
    ("compliance_level", Text),
    ("contacts", Texts),
    ("cross_origin_auth", Flag),
    ("cross_origin_authentication", Flag),
    ("cross_origin_loc", Text),
    ("custom_login_page", Text),
    ("custom_login_page_on", Flag),
    ("custom_login_page_preview", Text),
    ("default_organization", Object(&[("flows", Texts), ("organization_id", Text)])),
    ("description", Text),
    ("encryption_key", TextMap),
    ("enforce_anon_session_transfer_network_binding", Text),
    ("express_configuration", Object(EXPRESS_CONFIGURATION)),
    ("external_client_id", Text),
    ("fedcm_login", Object(&[("google", Object(&[("is_enabled", Flag)]))])),
    ("form_template", Text),
    ("grant_types", Texts),
    ("identity_assertion_authorization_grant", ACTIVE),
    ("initiate_login_uri", Text),
    ("is_first_party", Flag),
    ("is_token_endpoint_ip_header_trusted", Flag),
    ("jwks_uri", Text),
    ("jwt_configuration", Object(JWT_CONFIGURATION)),
    ("logo_uri", Text),
    ("mobile", Object(MOBILE)),
    ("my_organization_configuration", Object(MY_ORGANIZATION_CONFIGURATION)),
    ("native_social_login", Object(&[("apple", ENABLED), ("facebook", ENABLED), ("google", ENABLED)])),
    ("oidc_conformant", Flag),
    ("oidc_support", Object(&[("allow_all_scopes", Flag), ("allowed_scopes", Texts), ("is_allowed", Flag)])),
    ("organization_discovery_methods", Texts),
    ("organization_require_behavior", Text),
    ("organization_usage", Text),
    ("par_request_expiry", Number),
    ("policy_uri", Text),
    ("post_logout_redirect_uris", Texts),
    ("redirect_uris", Texts),
    ("redirection_policy", Text),
    ("refresh_token", Object(REFRESH_TOKEN)),
    ("require_proof_of_possession", Flag),
    ("require_pushed_authorization_requests", Flag),
    ("resource_server_identifier", Text),
    ("response_types", Texts),
    ("scope", Text),
    ("session_transfer", Object(SESSION_TRANSFER)),
    ("signed_request_object", Object(&[("credentials", CREDENTIALS), ("required", Flag)])),
    ("skip_non_verifiable_callback_uri_confirmation_prompt", Flag),
    ("software_id", Text),
    ("sso", Flag),
    ("sso_disabled", Flag),
    ("third_party_security_mode", Text),
    ("token_endpoint_auth_method", Text),
    ("token_exchange", Object(&[("allow_any_profile_of_type", Texts)])),
    ("token_quota", Object(&[("client_credentials", Object(TOKEN_QUOTA))])),
    ("token_vault_privileged_access", Object(TOKEN_VAULT)),
    ("tos_uri", Text),
    ("web_origins", Texts),
];

/// Members that a body can have because answers have them. They are not stored: they are computed (`subscribed`), have
/// no meaning here, or are secrets.
pub(super) const IGNORED: &[&str] = &[
    "callback_url_template",
    "client_secret",
    "created_at",
    "external_metadata_created_by",
    "external_metadata_status",
    "external_metadata_type",
    "global",
    "origin",
    "signing_keys",
    "subscribed",
    "tenant",
    "updated_at",
];

const ACTIVE: Kind = Object(&[("active", Flag)]);
const ENABLED: Kind = Object(&[("enabled", Flag)]);
const CREDENTIALS: Kind = Objects(&[("credential_type", Text), ("id", Text), ("name", Text), ("pem", Text)]);
const WITH_CREDENTIALS: Kind = Object(&[("credentials", CREDENTIALS)]);
const ANYTHING: Kind = Object(&[]);

const AUTHENTICATION_METHODS: &[Member] = &[
    ("private_key_jwt", WITH_CREDENTIALS),
    ("self_signed_tls_client_auth", WITH_CREDENTIALS),
    ("tls_client_auth", WITH_CREDENTIALS),
];

const EXPRESS_CONFIGURATION: &[Member] = &[
    ("admin_login_domain", Text),
    ("connection_profile_id", Text),
    ("enable_client", Flag),
    ("enable_organization", Flag),
    ("initiate_login_uri_template", Text),
    ("linked_clients", Objects(&[("client_id", Text)])),
    ("oin_submission_id", Text),
    ("okta_oin_client_id", Text),
    ("user_attribute_profile_id", Text),
];

/// Besides `alg`, which is acted on.
const JWT_CONFIGURATION: &[Member] =
    &[("lifetime_in_seconds", Number), ("scopes", TextMap), ("secret_encoded", Flag)];

const MOBILE: &[Member] = &[
    ("android", Object(&[("app_package_name", Text), ("sha256_cert_fingerprints", Texts)])),
    ("ios", Object(&[("app_bundle_identifier", Text), ("team_id", Text)])),
];

const MY_ORGANIZATION_CONFIGURATION: &[Member] = &[
    ("allowed_strategies", Texts),
    ("connection_deletion_behavior", Text),
    ("connection_profile_id", Text),
    ("enforce_permission_ceiling", Flag),
    ("enforce_self_assignment_restriction", Flag),
    ("invitation_landing_client_id", Text),
    ("third_party_client_access", Object(&[("allowed_values", Texts), ("default_value", Text)])),
    ("user_attribute_profile_id", Text),
];

const REFRESH_TOKEN: &[Member] = &[
    ("expiration_type", Text),
    ("idle_token_lifetime", Number),
    ("infinite_idle_token_lifetime", Flag),
    ("infinite_token_lifetime", Flag),
    ("leeway", Number),
    ("policies", Objects(&[("audience", Text), ("scope", Texts)])),
    ("rotation_type", Text),
    ("token_lifetime", Number),
];

const SESSION_TRANSFER: &[Member] = &[
    ("allow_refresh_token", Flag),
    ("allowed_authentication_methods", Texts),
    ("can_create_session_transfer_token", Flag),
    ("delegation", Object(&[("allow_delegated_access", Flag), ("enforce_device_binding", Text)])),
    ("enforce_cascade_revocation", Flag),
    ("enforce_device_binding", Text),
    ("enforce_online_refresh_tokens", Flag),
];

const TOKEN_QUOTA: &[Member] = &[("enforce", Flag), ("per_day", Number), ("per_hour", Number)];

const TOKEN_VAULT: &[Member] = &[
    ("credentials", CREDENTIALS),
    ("grants", Objects(&[("connection", Text), ("scopes", Texts)])),
    ("ip_allowlist", Texts),
];

const ADDONS: &[Member] = &[
    ("aws", Object(&[("lifetime_in_seconds", Number), ("principal", Text), ("role", Text)])),
    ("azure_blob", Object(AZURE_BLOB)),
    ("azure_sb", Object(AZURE_SB)),
    ("box", ANYTHING),
    ("cloudbees", ANYTHING),
    ("concur", ANYTHING),
    ("dropbox", ANYTHING),
    ("echosign", Object(&[("domain", Text)])),
    ("egnyte", Object(&[("domain", Text)])),
    ("firebase", Object(FIREBASE)),
    ("layer", Object(LAYER)),
    ("mscrm", Object(&[("url", Text)])),
    ("newrelic", Object(&[("account", Text)])),
    ("oag", ANYTHING),
    ("office365", Object(&[("connection", Text), ("domain", Text)])),
    ("rms", Object(&[("url", Text)])),
    ("salesforce", Object(&[("entity_id", Text)])),
    ("salesforce_api", Object(SALESFORCE_API)),
    ("salesforce_sandbox_api", Object(SALESFORCE_API)),
    ("samlp", Object(SAMLP)),
    ("sap_api", Object(SAP_API)),
    ("sentry", Object(&[("base_url", Text), ("org_slug", Text)])),
    ("sharepoint", Object(&[("external_url", Any), ("url", Text)])),
    ("slack", Object(&[("team", Text)])),
    ("springcm", Object(&[("acsurl", Text)])),
    ("sso_integration", Object(&[("name", Text), ("version", Text)])),
    ("wams", Object(&[("masterkey", Text)])),
    ("wsfed", ANYTHING),
    ("zendesk", Object(&[("accountName", Text)])),
    ("zoom", Object(&[("account", Text)])),
];

const AZURE_BLOB: &[Member] = &[
    ("accountName", Text),
    ("blobName", Text),
    ("blob_delete", Flag),
    ("blob_read", Flag),
    ("blob_write", Flag),
    ("containerName", Text),
    ("container_delete", Flag),
    ("container_list", Flag),
    ("container_read", Flag),
    ("container_write", Flag),
    ("expiration", Number),
    ("signedIdentifier", Text),
    ("storageAccessKey", Text),
];

const AZURE_SB: &[Member] = &[
    ("entityPath", Text),
    ("expiration", Number),
    ("namespace", Text),
    ("sasKey", Text),
    ("sasKeyName", Text),
];

const FIREBASE: &[Member] = &[
    ("client_email", Text),
    ("lifetime_in_seconds", Number),
    ("private_key", Text),
    ("private_key_id", Text),
    ("secret", Text),
];

const LAYER: &[Member] = &[
    ("expiration", Number),
    ("keyId", Text),
    ("principal", Text),
    ("privateKey", Text),
    ("providerId", Text),
];

const SALESFORCE_API: &[Member] =
    &[("clientid", Text), ("communityName", Text), ("community_url_section", Text), ("principal", Text)];

const SAMLP: &[Member] = &[
    ("audience", Text),
    ("authnContextClassRef", Text),
    ("createUpnClaim", Flag),
    ("destination", Text),
    ("digestAlgorithm", Text),
    ("issuer", Text),
    ("lifetimeInSeconds", Number),
    ("mapIdentities", Flag),
    ("mapUnknownClaimsAsIs", Flag),
    ("mappings", ANYTHING),
    ("nameIdentifierFormat", Text),
    ("nameIdentifierProbes", Texts),
    ("passthroughClaimsWithNoMapping", Flag),
    ("recipient", Text),
    ("signResponse", Flag),
    ("signatureAlgorithm", Text),
];

const SAP_API: &[Member] = &[
    ("clientid", Text),
    ("nameIdentifierFormat", Text),
    ("scope", Text),
    ("servicePassword", Text),
    ("tokenEndpointUrl", Text),
    ("usernameAttribute", Text),
];
