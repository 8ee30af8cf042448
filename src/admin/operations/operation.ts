/**
 * One thing that the administration API does, declared once: its route, its description, the rights it takes, the typed
 * client and the command line follow from the declaration. `index.ts` has the list.
 */
import { z } from 'zod';
import type { AdminTable } from '../../nouns/admin-tables.ts';
import type { Organization } from '../../nouns/index.ts';
import type { Action } from '../../permissions/actions.ts';
import type { Actor } from '../rights/actor.ts';
import type { OperationDeps } from './deps.ts';

/** The names in braces: `'/organizations/{organization}/users/{user}'` has `organization` and `user`. */
export type ParametersOf<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? Name | ParametersOf<Rest>
  : never;

export interface OperationFacts<
  Path extends string = string,
  Query extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
  Result extends z.ZodType = z.ZodType,
> {
  /** What it is about and what it does: `users.list`, `applications.secrets.create`. */
  readonly id: string;
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /**
   * Below `/admin/api/v1`. `{organization}` is the name of one, all other parameters are UUIDs. Without it the operation
   * concerns the whole server, and takes a token for that.
   */
  readonly path: Path;
  /** What those of its parameters look like that are not UUIDs; they are told apart by case. */
  readonly parameters?: Readonly<Record<string, RegExp>>;
  /** One sentence. */
  readonly summary: string;
  /** The right that it takes at least; `run` checks rows and columns. */
  readonly needs: { readonly table: AdminTable; readonly action: Action };
  /** All members are texts that the schema reads. */
  readonly query?: Query;
  readonly body?: Body;
  /** Of the JSON of the answer. Absent: an answer without a body, or one of `media`. */
  readonly result?: Result;
  /** Of an answer that is a stream of lines instead of JSON: each media type that `Accept` may choose. */
  readonly media?: readonly string[];
  /** 200 if absent. */
  readonly status?: 201 | 204;
  /** It makes an object: `Idempotency-Key` holds, and `run` gets `reserved`. */
  readonly creates?: true;
  /** It needs `If-Match` with the version of the object. */
  readonly conditional?: true;
  /** `?dryRun=true` tells what it would do. */
  readonly mayDryRun?: true;
  /** It always takes a fresh login of a person, whatever it changes. */
  readonly dangerous?: true;
}

/** What a retried creation finds again. */
export interface Reserved {
  /** Of the object that is made. One with this id is the one that an earlier attempt made: answer with it. */
  readonly id: string;
  /** 32 bytes that secrets of the object are derived from (`deriveBytes`), so that a retry gives the same. */
  readonly seed: Buffer;
}

export interface Call<Parameters extends string = string, Query = unknown, Body = unknown> {
  readonly actor: Actor;
  /** Of `{organization}`; the built-in one for operations that concern the whole server. */
  readonly organization: Organization;
  readonly parameters: Readonly<Record<Parameters, string>>;
  readonly query: Query;
  readonly body: Body;
  /** The version that `If-Match` names. */
  readonly version: number | undefined;
  readonly dryRun: boolean;
  readonly reserved: Reserved;
}

/** Who asks, below which organization. */
export type Where = Pick<Call, 'actor' | 'organization'>;

/** What a change would do; nothing was written. */
export const dryRunResult = z
  .strictObject({
    dryRun: z.literal(true),
    action: z.enum(['added', 'changed', 'removed', 'unchanged']),
    name: z.string().describe('As `apply` names it: `application acme/shop`.'),
    fields: z
      .array(
        z.strictObject({
          field: z.string(),
          from: z.string().exactOptional(),
          to: z.string().exactOptional(),
        }),
      )
      .describe('What differs, as `apply` shows it; secrets have no values.'),
    notes: z.array(z.string()).describe('What else is worth knowing.'),
    effect: z
      .enum(['none', 'narrows', 'restarts', 'ends', 'returns'])
      .describe('What it means for living tokens: they stay, lose rights, end, or may be made again.'),
    tokens: z
      .strictObject({
        living: z.int().describe('Living access tokens that it concerns.'),
        isMore: z.boolean().describe('Counting ended there.'),
      })
      .exactOptional(),
    applications: z.array(z.string()).exactOptional().describe('Names of applications that it concerns.'),
    users: z
      .strictObject({ count: z.int(), isMore: z.boolean() })
      .exactOptional()
      .describe('Users that it concerns.'),
  })
  .describe('What a change would do; nothing was written.');

export interface Answer<Result = unknown> {
  /** JSON. */
  readonly body?: Result;
  /** The JSON instead, of a dry run. */
  readonly wouldDo?: z.input<typeof dryRunResult>;
  /** Of the object in the body, for `ETag`. */
  readonly version?: number;
  /** Of the object that was made: a path below `/admin/api/v1`. */
  readonly location?: string;
  /** The lines of a stream, by the media type that was chosen. */
  readonly lines?: (media: string) => AsyncIterable<string>;
}

export interface Operation extends OperationFacts {
  run(call: Call<string, never, never>, deps: OperationDeps): Promise<Answer>;
}

/** An operation of which more is known: for lists of many, whose types the compiler cannot write out. */
export type Declared<
  Id extends string,
  Method extends OperationFacts['method'],
  Path extends string,
  Schemas extends Partial<Pick<OperationFacts, 'query' | 'body' | 'result' | 'creates' | 'conditional'>>,
> = Operation & { readonly id: Id; readonly method: Method; readonly path: Path } & Schemas;

/** Declares an operation; the types of the call follow from it. */
export function defineOperation<
  const Path extends string,
  Query extends z.ZodType,
  Body extends z.ZodType,
  Result extends z.ZodType,
  const Facts extends OperationFacts<Path, Query, Body, Result>,
>(
  facts: Facts & OperationFacts<Path, Query, Body, Result>,
  run: (
    call: Call<ParametersOf<Path>, z.output<Query>, z.output<Body>>,
    deps: OperationDeps,
  ) => Promise<Answer<z.input<Result>>>,
): Facts & { readonly run: typeof run } {
  return { ...facts, run };
}

/** Of lists: where to go on, and how many at most. */
export interface PageQuery {
  /** Of the page before; means something to this list only. */
  readonly after?: string;
  readonly limit: number;
}

/** What a list answers. `next` is signed where it leaves the server, and checked before it comes back as `after`. */
export interface ListAnswer<T> {
  readonly items: T[];
  readonly next?: string;
}
