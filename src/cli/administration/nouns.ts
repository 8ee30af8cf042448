/**
 * What the commands are called that administer, and which operation does what each says. Names stand for ids: a noun is
 * named `organization/name`.
 */

/** How an action is typed after the command. */
export interface Verb {
  /** One or two words. */
  readonly words: string;
  /** Id of the operation. */
  readonly operation: string;
  /** For `-h`. */
  readonly says: string;
  /** What it is about: a noun, the organization itself, or nothing. `any`: an organization if one is named. */
  readonly about: 'noun' | 'organization' | 'any' | 'nothing';
  /** A second name: the members that it gives the body, or what else of the path it names. */
  readonly second?: {
    readonly argument: string;
    readonly member?: string;
    readonly parameter?: string;
    /** Left out at a terminal, it is that member of what the person is shown and agrees to. */
    readonly isShown?: true;
  };
  /** Members of the body that are options of their own. */
  readonly members?: readonly string[];
  /** The person at a terminal is asked first. */
  readonly asks?: true;
  /** The operation with an organization, where `about` is `any`. */
  readonly ofOrganization?: string;
  /** The media types of an answer in lines, by the name of the format; the first is the usual one. */
  readonly formats?: Readonly<Record<string, string>>;
  /** What has been done, for a terminal. */
  readonly done?: string;
}

export interface NounCommand {
  /** The command, and the name of the parameter in paths. */
  readonly singular: string;
  /** The operations' ids begin with it. */
  readonly collection: string;
  readonly summary: string;
  /** How one is named, for `-h`. */
  readonly named: string;
  /** Columns of the table of a list: paths of members. */
  readonly columns: readonly string[];
  readonly verbs: readonly Verb[];
}

const SHOWS_TOKENS = 'Ends all its tokens and logins.';

/** List, show, create, change and remove. */
function five(collection: string): readonly Verb[] {
  return [
    { words: 'list', operation: `${collection}.list`, says: 'Lists them.', about: 'organization' },
    { words: 'show', operation: `${collection}.get`, says: 'Shows one.', about: 'noun' },
    {
      words: 'create',
      operation: `${collection}.create`,
      says: 'Makes one.',
      about: 'organization',
      done: 'Made',
    },
    {
      words: 'change',
      operation: `${collection}.change`,
      says: 'Changes one.',
      about: 'noun',
      done: 'Changed',
    },
    {
      words: 'remove',
      operation: `${collection}.remove`,
      says: 'Removes one, with all that belongs to it.',
      about: 'noun',
      asks: true,
      done: 'Removed',
    },
  ];
}

const two = (collection: string, end: string): readonly Verb[] => [
  {
    words: 'list',
    operation: `${collection}.list`,
    says: 'Lists them, newest first.',
    about: 'organization',
  },
  { words: 'show', operation: `${collection}.get`, says: 'Shows one.', about: 'noun' },
  { words: 'end', operation: `${collection}.end`, says: end, about: 'noun', asks: true, done: 'Ended' },
];

const NAMED = 'ORGANIZATION/NAME';

export const nounCommands: readonly NounCommand[] = [
  {
    singular: 'organization',
    collection: 'organizations',
    summary: 'Lists, shows, makes, changes and removes organizations.',
    named: 'ORGANIZATION',
    columns: ['name', 'displayName', 'enabled', 'default'],
    verbs: five('organizations').map((verb) =>
      verb.words === 'list' ? { ...verb, about: 'nothing' } : verb,
    ),
  },
  {
    singular: 'user',
    collection: 'users',
    summary: 'Lists, shows, makes, changes, unlocks and removes users.',
    named: 'ORGANIZATION/APPLICATION/USERNAME, or ORGANIZATION/USERNAME for users of the organization itself',
    columns: ['username', 'application', 'email', 'enabled', 'roles'],
    verbs: [
      ...five('users'),
      { words: 'state', operation: 'users.state', says: 'Shows whether they can log in.', about: 'noun' },
      {
        words: 'unlock',
        operation: 'users.unlock',
        says: 'Ends the delay after wrong passwords.',
        about: 'noun',
        done: 'Unlocked',
      },
      {
        words: 'reset-password',
        operation: 'users.passwordReset.link',
        says: 'Makes a link with which they set a new password.',
        about: 'noun',
      },
      {
        words: 'mail-password-reset',
        operation: 'users.passwordReset.mail',
        says: 'Mails them such a link.',
        about: 'noun',
        done: 'Mailed',
      },
      { words: 'revoke', operation: 'users.revoke', says: SHOWS_TOKENS, about: 'noun', asks: true },
    ],
  },
  {
    singular: 'application',
    collection: 'applications',
    summary: 'Lists, shows, makes, changes and removes applications.',
    named: NAMED,
    columns: ['name', 'clientId', 'enabled', 'grants', 'resource'],
    verbs: [
      ...five('applications'),
      {
        words: 'secret list',
        operation: 'applications.secrets.list',
        says: 'Lists its secrets, with their last use.',
        about: 'noun',
      },
      {
        words: 'secret add',
        operation: 'applications.secrets.create',
        says: 'Gives it one more secret, which is shown once.',
        about: 'noun',
        second: { argument: 'SECRET', member: 'name' },
      },
      {
        words: 'secret remove',
        operation: 'applications.secrets.remove',
        says: 'Removes a secret, and ends what was made with it.',
        about: 'noun',
        second: { argument: 'SECRET', parameter: 'secret' },
        asks: true,
        done: 'Removed',
      },
      { words: 'revoke', operation: 'applications.revoke', says: SHOWS_TOKENS, about: 'noun', asks: true },
    ],
  },
  {
    singular: 'agent',
    collection: 'agents',
    summary: 'Lists, shows, approves and ends agents: applications that registered themselves.',
    named: 'ORGANIZATION/CLIENT_ID',
    columns: ['clientId', 'name', 'approved', 'people.count', 'createdAt', 'unusedSince'],
    verbs: [
      { words: 'list', operation: 'agents.list', says: 'Lists them.', about: 'organization' },
      { words: 'show', operation: 'agents.get', says: 'Shows one.', about: 'noun' },
      {
        words: 'approve',
        operation: 'agents.approve',
        says: 'Approves one as it describes itself: DOCUMENT is what show says.',
        about: 'noun',
        second: { argument: 'DOCUMENT', member: 'document', isShown: true },
        done: 'Approved',
      },
      {
        words: 'withdraw-approval',
        operation: 'agents.withdrawApproval',
        says: 'Takes an approval back.',
        about: 'noun',
        done: 'Withdrew the approval of',
      },
      {
        words: 'end',
        operation: 'agents.end',
        says: 'Ends one with all its tokens and logins.',
        about: 'noun',
        asks: true,
        done: 'Ended',
      },
      {
        words: 'invite',
        operation: 'agents.invite',
        says: 'Makes an initial access token, with which agents register.',
        about: 'organization',
        members: ['uses', 'lifetime'],
      },
    ],
  },
  {
    singular: 'role',
    collection: 'roles',
    summary: 'Lists, shows, makes, changes and removes roles.',
    named: NAMED,
    columns: ['name', 'enabled', 'default', 'resource', 'scopes'],
    verbs: five('roles'),
  },
  {
    singular: 'resource',
    collection: 'resources',
    summary: 'Lists, shows, makes, changes and removes resources, and reads their tables from a database.',
    named: 'ORGANIZATION/IDENTIFIER',
    columns: ['identifier', 'name', 'enabled', 'token.format'],
    verbs: five('resources'),
  },
  {
    singular: 'datasource',
    collection: 'datasources',
    summary: 'Lists, shows, makes, changes, removes and tries out databases that people log in against.',
    named: NAMED,
    columns: ['name', 'kind', 'enabled', 'host'],
    verbs: five('datasources'),
  },
  {
    singular: 'webhook',
    collection: 'webhooks',
    summary: 'Lists, shows, makes, changes and removes webhooks.',
    named: NAMED,
    columns: ['name', 'url', 'enabled', 'events'],
    verbs: [
      ...five('webhooks'),
      {
        words: 'delivery list',
        operation: 'webhooks.deliveries.list',
        says: 'Lists what was sent and what waits, newest first.',
        about: 'noun',
      },
      {
        words: 'delivery resend',
        operation: 'webhooks.deliveries.resend',
        says: 'Sends an event again.',
        about: 'noun',
        second: { argument: 'DELIVERY', parameter: 'delivery' },
      },
      { words: 'ping', operation: 'webhooks.ping', says: 'Sends a test event.', about: 'noun' },
      {
        words: 'rotate-secret',
        operation: 'webhooks.rotateSecret',
        says: 'Makes a new secret, which is shown once.',
        about: 'noun',
      },
    ],
  },
  {
    singular: 'token',
    collection: 'tokens',
    summary: 'Lists, shows and ends access tokens.',
    named: 'ORGANIZATION/ID',
    columns: ['id', 'application', 'subject', 'resource', 'state', 'expiresAt'],
    verbs: two('tokens', 'Ends one, with all that were made from it.'),
  },
  {
    singular: 'login',
    collection: 'logins',
    summary: 'Lists, shows and ends logins.',
    named: 'ORGANIZATION/ID',
    columns: ['id', 'application', 'subject', 'resource', 'state', 'expiresAt'],
    verbs: two('logins', 'Ends one, with all its tokens.'),
  },
  {
    singular: 'audit',
    collection: 'audit',
    summary: 'Lists, counts and exports what the audit log recorded.',
    named: '',
    columns: ['at', 'event', 'outcome', 'actor', 'subject', 'reason'],
    verbs: [
      {
        words: 'list',
        operation: 'audit.list',
        ofOrganization: 'organizations.audit.list',
        says: 'Lists entries, newest first.',
        about: 'any',
      },
      {
        words: 'count',
        operation: 'audit.count',
        ofOrganization: 'organizations.audit.count',
        says: 'Counts entries.',
        about: 'any',
      },
      {
        words: 'export',
        operation: 'audit.export',
        ofOrganization: 'organizations.audit.export',
        says: 'Writes entries as lines of JSON, or as CSV.',
        about: 'any',
        formats: { ndjson: 'application/x-ndjson', csv: 'text/csv' },
      },
    ],
  },
];

/** The longest verb that the arguments begin with, and what follows it. */
export function findVerb(
  { verbs }: Pick<NounCommand, 'verbs'>,
  args: readonly string[],
): { readonly verb: Verb; readonly rest: readonly string[] } | undefined {
  for (const length of [2, 1]) {
    const words = args.slice(0, length).join(' ');
    const verb = verbs.find((each) => each.words === words);
    if (verb) return { verb, rest: args.slice(length) };
  }
  return undefined;
}
