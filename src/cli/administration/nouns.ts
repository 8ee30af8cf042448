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
  readonly second?: { readonly argument: string; readonly member?: string; readonly parameter?: string };
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
    summary: 'Lists, shows, makes, changes and removes users.',
    named: 'ORGANIZATION/APPLICATION/USERNAME, or ORGANIZATION/USERNAME for users of the organization itself',
    columns: ['username', 'application', 'email', 'enabled', 'roles'],
    verbs: five('users'),
  },
  {
    singular: 'application',
    collection: 'applications',
    summary: 'Lists, shows, makes, changes and removes applications.',
    named: NAMED,
    columns: ['name', 'clientId', 'enabled', 'grants', 'resource'],
    verbs: five('applications'),
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
