package verify

// Reason says why a request was refused. Yes is none. The order of the
// constants is the order in which they are looked for: of several that hold,
// the first one is told.
type Reason uint8

// The reasons of SPEC section 6.
const (
	Yes Reason = iota
	NotReady
	MalformedRequest
	PasswordRefused
	MissingToken
	InvalidToken
	UserBlocked
	Disabled
	NotYetValid
	Expired
	AudienceMismatch
	IPNotAllowed
	MethodNotAllowed
	ScopeMissing
	ContextMissing // in the place of the check that lacks something

	// Reasons is how many there are, Yes included: every Reason is less.
	Reasons
)

// answer is what a refusal tells the client. Only statuses that nginx
// auth_request understands decide; the error codes are those of RFC 6750,
// section 3.1.
type answer struct {
	status  int
	error   string
	reason  string
	message string
}

var answers = [...]answer{
	Yes:              {status: 200},
	NotReady:         {503, "temporarily_unavailable", "not_ready", "the patches found at start are still being applied"},
	MalformedRequest: {401, "invalid_request", "malformed_request", "the request must state one token once, say nothing about itself twice, and have no transfer encoding"},
	PasswordRefused:  {401, "invalid_token", "password_refused", "passwords are not accepted here; use Authorization: Bearer"},
	MissingToken:     {401, "invalid_token", "missing_token", "the request has no token; use Authorization: Bearer"},
	InvalidToken:     {401, "invalid_token", "invalid_token", "the token is not known here"},
	UserBlocked:      {401, "invalid_token", "user_blocked", "the user may not use tokens"},
	Disabled:         {401, "invalid_token", "disabled", "the token is disabled"},
	NotYetValid:      {401, "invalid_token", "not_yet_valid", "the token is not valid yet"},
	Expired:          {401, "invalid_token", "expired", "the token has expired"},
	AudienceMismatch: {403, "insufficient_scope", "audience_mismatch", "the token is meant for another audience"},
	IPNotAllowed:     {403, "insufficient_scope", "ip_not_allowed", "the token is not good from this address"},
	MethodNotAllowed: {403, "insufficient_scope", "method_not_allowed", "the token may only read"},
	ScopeMissing:     {403, "insufficient_scope", "scope_missing", "the token lacks a scope that this request needs"},
	ContextMissing:   {403, "insufficient_scope", "context_missing", "the gate is not told what it has to know to say yes to this request"},
}

// String is the reason as the client, the log and metrics see it.
func (r Reason) String() string { return answers[r].reason }

// Message explains the reason to a person.
func (r Reason) Message() string { return answers[r].message }
