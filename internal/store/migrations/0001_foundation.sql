-- compatible-with: 1
-- Every time is unix milliseconds in UTC; every digest is lower-case hex; JSON is opaque text.

create table instance (
	name text primary key,
	value text not null
);

create table repository (
	id {{id}},
	ecosystem text not null,
	name text not null,
	kind text not null,
	visibility text not null,
	settings text not null,
	state text not null,
	revision bigint not null,
	created_at bigint not null,
	unique (ecosystem, name)
);

create table repository_member (
	group_id bigint not null references repository (id),
	position bigint not null,
	member_id bigint not null references repository (id),
	primary key (group_id, position),
	unique (group_id, member_id)
);

create table account (
	id {{id}},
	name text not null unique,
	email text not null,
	admin boolean not null,
	actor_key text not null,
	created_at bigint not null,
	disabled_at bigint
);

create table token (
	id {{id}},
	account_id bigint not null references account (id),
	hash text not null unique,
	hint text not null,
	label text not null,
	scopes text not null,
	vouched boolean not null,
	created_at bigint not null,
	expires_at bigint,
	revoked_at bigint
);
create index token_account on token (account_id);

-- A project that was deleted keeps its row (status 'deleted'): its name stays taken.
create table project (
	id {{id}},
	repository_id bigint not null references repository (id),
	norm text{{binary}} not null,
	display text not null,
	lookalike text not null,
	status text not null,
	status_reason text not null,
	summary text not null,
	keywords text not null,
	latest text not null,
	state text not null,
	legal_hold boolean not null,
	revision bigint not null,
	created_at bigint not null,
	updated_at bigint not null,
	unique (repository_id, norm),
	unique (repository_id, lookalike)
);
create index project_updated on project (repository_id, updated_at);

create table project_owner (
	project_id bigint not null references project (id),
	account_id bigint not null references account (id),
	since bigint not null,
	primary key (project_id, account_id)
);
create index project_owner_account on project_owner (account_id);

create table release (
	id {{id}},
	project_id bigint not null references project (id),
	uniq text not null,
	version text not null,
	prerelease boolean not null,
	moving boolean not null,
	record {{bytes}} not null,
	manifest text not null,
	mark text not null,
	yanked boolean not null,
	yank_reason text not null,
	verdict text not null,
	verdict_rule text not null,
	verdict_reason text not null,
	verdict_until bigint,
	published_at bigint not null,
	published_by text not null,
	unique (project_id, uniq)
);
create index release_published on release (published_at);

create table release_readme (
	release_id bigint primary key references release (id),
	media_type text not null,
	body text not null
);

create table file (
	id {{id}},
	repository_id bigint not null references repository (id),
	project_id bigint not null references project (id),
	release_id bigint not null references release (id),
	path text{{binary}} not null,
	kind text not null,
	size bigint not null,
	sha256 text not null,
	sha1 text not null,
	md5 text not null,
	sha512 text not null,
	blake2b text not null,
	detail text not null,
	uploaded_at bigint not null,
	unique (repository_id, path)
);
create index file_release on file (release_id);
create index file_project on file (project_id);
create index file_blob on file (sha256);

-- What was once used and must never mean anything else. kind: file (key = path), release (key = norm/uniq), project (key = norm).
create table tombstone (
	repository_id bigint not null references repository (id),
	kind text not null,
	key text not null,
	sha256 text not null,
	reason text not null,
	at bigint not null,
	primary key (repository_id, kind, key)
);

create table tag (
	project_id bigint not null references project (id),
	name text not null,
	uniq text not null,
	updated_at bigint not null,
	primary key (project_id, name)
);

-- One row per blob that may be referenced; publish touches it in its transaction, collection takes only rows that nothing
-- references and nobody touched for a day.
create table blob (
	sha256 text primary key,
	size bigint not null,
	touched_at bigint not null
);
create index blob_touched on blob (touched_at);

create table blob_lease (
	name text primary key,
	expires_at bigint not null
);

-- The feed: the only row of event_counter is locked from the number's draw to the commit, so number order is commit order.
create table event_counter (
	id bigint primary key,
	seq bigint not null
);
insert into event_counter (id, seq) values (1, 0);

create table event (
	seq bigint primary key,
	at bigint not null,
	kind text not null,
	repository_id bigint not null,
	project text not null,
	version text not null,
	actor text not null,
	payload text not null
);
create index event_project on event (repository_id, project, seq);

create table event_private (
	seq bigint primary key references event (seq),
	payload text not null
);

create table job (
	id {{id}},
	kind text not null,
	args text not null,
	state text not null,
	priority bigint not null,
	attempt bigint not null,
	max_attempts bigint not null,
	run_at bigint not null,
	lease_until bigint,
	unique_key text,
	last_error text not null,
	progress text not null,
	created_at bigint not null,
	finished_at bigint
);
create index job_ready on job (priority, run_at, id) where state = 'ready';
create unique index job_unique on job (unique_key) where state in ('ready', 'running');

create table lease (
	name text primary key,
	holder text not null,
	fence bigint not null,
	expires_at bigint not null
);

create table stage (
	id text primary key,
	repository_id bigint not null references repository (id),
	kind text not null,
	key text not null,
	principal text not null,
	state text not null,
	detail text not null,
	created_at bigint not null,
	expires_at bigint not null
);
create index stage_key on stage (repository_id, kind, key, principal);
create index stage_expiry on stage (expires_at);

create table stage_part (
	stage_id text not null references stage (id),
	path text not null,
	size bigint not null,
	sha256 text not null,
	sha1 text not null,
	md5 text not null,
	sha512 text not null,
	blake2b text not null,
	detail text not null,
	received_at bigint not null,
	primary key (stage_id, path)
);
create index stage_part_blob on stage_part (sha256);

create table download (
	file_id bigint not null,
	day bigint not null,
	principal text not null,
	count bigint not null,
	primary key (file_id, day, principal)
);
