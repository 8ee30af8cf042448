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
  /**
   * What it is about: a noun, the organization itself, or nothing. `any`: an organization if one is named, and then the
   * operation is the one below `organizations`.
   */
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

/**
 * By their words. The operation is given without the collection, and left out where it is called as the words are. What
 * says nothing else is about a noun.
 */
type Verbs = Readonly<Record<string, Pick<Verb, 'says'> & Partial<Omit<Verb, 'words'>>>>;

const revoke = { says: 'Ends all its tokens and logins.', asks: true } as const;

const five = {
  list: { says: 'Lists them.', about: 'organization' },
  show: { says: 'Shows one.', operation: 'get' },
  create: { says: 'Makes one.', about: 'organization', done: 'Made' },
  change: { says: 'Changes one.', done: 'Changed' },
  remove: { says: 'Removes one, with all that belongs to it.', asks: true, done: 'Removed' },
} as const satisfies Verbs;

const three = (end: string): Verbs => ({
  list: { says: 'Lists them, newest first.', about: 'organization' },
  show: five.show,
  end: { says: end, asks: true, done: 'Ended' },
});

const NAMED = 'ORGANIZATION/NAME';

const declared: readonly (Omit<NounCommand, 'verbs'> & { readonly verbs: Verbs })[] = [
  {
    singular: 'organization',
    collection: 'organizations',
    summary: 'Lists, shows, makes, changes and removes organizations.',
    named: 'ORGANIZATION',
    columns: ['name', 'displayName', 'enabled', 'default'],
    verbs: { ...five, list: { says: 'Lists them.', about: 'nothing' } },
  },
  {
    singular: 'user',
    collection: 'users',
    summary: 'Lists, shows, makes, changes, unlocks and removes users.',
    named: 'ORGANIZATION/APPLICATION/USERNAME, or ORGANIZATION/USERNAME for users of the organization itself',
    columns: ['username', 'application', 'email', 'enabled', 'roles'],
    verbs: {
      ...five,
      state: { says: 'Shows whether they can log in.' },
      unlock: { says: 'Ends the delay after wrong passwords.', done: 'Unlocked' },
      'reset-password': {
        says: 'Makes a link with which they set a new password.',
        operation: 'passwordReset.link',
      },
      'mail-password-reset': {
        says: 'Mails them such a link.',
        operation: 'passwordReset.mail',
        done: 'Mailed',
      },
      revoke,
    },
  },
  {
    singular: 'application',
    collection: 'applications',
    summary: 'Lists, shows, makes, changes and removes applications.',
    named: NAMED,
    columns: ['name', 'clientId', 'enabled', 'grants', 'resource'],
    verbs: {
      ...five,
      'secret list': { says: 'Lists its secrets, with their last use.', operation: 'secrets.list' },
      'secret add': {
        says: 'Gives it one more secret, which is shown once.',
        operation: 'secrets.create',
        second: { argument: 'SECRET', member: 'name' },
      },
      'secret remove': {
        says: 'Removes a secret, and ends what was made with it.',
        operation: 'secrets.remove',
        second: { argument: 'SECRET', parameter: 'secret' },
        asks: true,
        done: 'Removed',
      },
      revoke,
    },
  },
  {
    singular: 'agent',
    collection: 'agents',
    summary: 'Lists, shows, approves and ends agents: applications that registered themselves.',
    named: 'ORGANIZATION/CLIENT_ID',
    columns: ['clientId', 'name', 'approved', 'people.count', 'createdAt', 'unusedSince'],
    verbs: {
      list: five.list,
      show: five.show,
      approve: {
        says: 'Approves one as it describes itself: DOCUMENT is what show says.',
        second: { argument: 'DOCUMENT', member: 'document', isShown: true },
        done: 'Approved',
      },
      'withdraw-approval': {
        says: 'Takes an approval back.',
        operation: 'withdrawApproval',
        done: 'Withdrew the approval of',
      },
      end: { says: 'Ends one with all its tokens and logins.', asks: true, done: 'Ended' },
      invite: {
        says: 'Makes an initial access token, with which agents register.',
        about: 'organization',
        members: ['uses', 'lifetime'],
      },
    },
  },
  {
    singular: 'role',
    collection: 'roles',
    summary: 'Lists, shows, makes, changes and removes roles.',
    named: NAMED,
    columns: ['name', 'enabled', 'default', 'resource', 'scopes'],
    verbs: five,
  },
  {
    singular: 'resource',
    collection: 'resources',
    summary: 'Lists, shows, makes, changes and removes resources, and reads their tables from a database.',
    named: 'ORGANIZATION/IDENTIFIER',
    columns: ['identifier', 'name', 'enabled', 'token.format'],
    verbs: five,
  },
  {
    singular: 'datasource',
    collection: 'datasources',
    summary: 'Lists, shows, makes, changes, removes and tries out databases that people log in against.',
    named: NAMED,
    columns: ['name', 'kind', 'enabled', 'host'],
    verbs: five,
  },
  {
    singular: 'webhook',
    collection: 'webhooks',
    summary: 'Lists, shows, makes, changes and removes webhooks.',
    named: NAMED,
    columns: ['name', 'url', 'enabled', 'events'],
    verbs: {
      ...five,
      'delivery list': {
        says: 'Lists what was sent and what waits, newest first.',
        operation: 'deliveries.list',
      },
      'delivery resend': {
        says: 'Sends an event again.',
        operation: 'deliveries.resend',
        second: { argument: 'DELIVERY', parameter: 'delivery' },
      },
      ping: { says: 'Sends a test event.' },
      'rotate-secret': { says: 'Makes a new secret, which is shown once.', operation: 'rotateSecret' },
    },
  },
  {
    singular: 'token',
    collection: 'tokens',
    summary: 'Lists, shows and ends access tokens.',
    named: 'ORGANIZATION/ID',
    columns: ['id', 'application', 'subject', 'resource', 'state', 'expiresAt'],
    verbs: three('Ends one, with all that were made from it.'),
  },
  {
    singular: 'login',
    collection: 'logins',
    summary: 'Lists, shows and ends logins.',
    named: 'ORGANIZATION/ID',
    columns: ['id', 'application', 'subject', 'resource', 'state', 'expiresAt'],
    verbs: three('Ends one, with all its tokens.'),
  },
  {
    singular: 'audit',
    collection: 'audit',
    summary: 'Lists, counts and exports what the audit log recorded.',
    named: '',
    columns: ['at', 'event', 'outcome', 'actor', 'subject', 'reason'],
    verbs: {
      list: { says: 'Lists entries, newest first.', about: 'any' },
      count: { says: 'Counts entries.', about: 'any' },
      export: {
        says: 'Writes entries as lines of JSON, or as CSV.',
        about: 'any',
        formats: { ndjson: 'application/x-ndjson', csv: 'text/csv' },
      },
    },
  },
];

export const nounCommands: readonly NounCommand[] = declared.map(({ verbs, ...noun }) => ({
  ...noun,
  verbs: Object.entries(verbs).map(([words, { operation = words, about = 'noun', ...verb }]) => ({
    ...verb,
    words,
    operation: `${noun.collection}.${operation}`,
    about,
  })),
}));

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
