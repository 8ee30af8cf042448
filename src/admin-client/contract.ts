/** The types of the calls, which follow from the declared operations. */
import type { z } from 'zod';
import type { operations } from '../admin/operations/index.ts';
import type { dryRunResult, OperationFacts, ParametersOf } from '../admin/operations/operation.ts';

/** @internal */
export type Declared = (typeof operations)[number];

export interface AdminOptions {
  /** URL of the server. */
  readonly issuer: string;
  /** For `<issuer>/admin` or `<issuer>/admin/<organization>`; a function is asked before each request. */
  readonly token: string | (() => string | Promise<string>);
  /** Instead of the global one. */
  readonly fetch?: typeof globalThis.fetch;
  /** Waits that many milliseconds before a retry; for tests. */
  readonly wait?: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Of operations that make an object. Retries of one call have the same key by themselves. */
  readonly idempotencyKey?: string;
}

/** An object that was read, whose version goes along where the call changes it. */
export interface Versioned {
  readonly id: string;
  readonly version: number;
}

/** A mapped type without what it was made of, so that editors show members. */
type Shown<T> = { [Key in keyof T]: T[Key] };

/** As the schema reads it, or gives it: texts of a query are written by `String()`. */
type Written<Input, Output> = unknown extends Output
  ? Input
  : {
      [Key in keyof Input]: unknown extends Input[Key]
        ? Output[Key & keyof Output]
        : Input[Key] | Output[Key & keyof Output];
    };

type PathOf<F extends OperationFacts> = {
  readonly [Name in ParametersOf<F['path']>]: Name extends 'organization' ? string : string | Versioned;
};

type QueryOf<F> = F extends { readonly query: infer Query extends z.ZodType }
  ? Record<never, never> extends z.input<Query>
    ? { readonly query?: Written<z.input<Query>, z.output<Query>> }
    : { readonly query: Written<z.input<Query>, z.output<Query>> }
  : unknown;

type BodyOf<F> = F extends { readonly body: infer Body extends z.ZodType }
  ? undefined extends z.input<Body>
    ? { readonly body?: z.input<Body> }
    : { readonly body: z.input<Body> }
  : unknown;

/** The version may come with the object instead. */
type VersionOf<F> = F extends { readonly conditional: true } ? { readonly version?: number } : unknown;

type MayDryRun<F> = F extends { readonly mayDryRun: true } ? { readonly dryRun?: boolean } : unknown;

type MediaOf<F> = F extends { readonly media: readonly (infer Media)[] }
  ? { readonly accept?: Media }
  : unknown;

type ArgumentsFor<F extends OperationFacts> = Shown<
  PathOf<F> & QueryOf<F> & BodyOf<F> & VersionOf<F> & MayDryRun<F> & MediaOf<F>
>;

/** Streams come in pieces of text. */
type ResultFor<F> = F extends { readonly media: readonly string[] }
  ? AsyncIterable<string>
  : F extends { readonly result: infer Result extends z.ZodType }
    ? z.input<Result>
    : undefined;

type Given<F extends OperationFacts> =
  Record<never, never> extends ArgumentsFor<F>
    ? [given?: ArgumentsFor<F>, options?: CallOptions]
    : [given: ArgumentsFor<F>, options?: CallOptions];

/** By the id of the operation. */
type Calls<F extends OperationFacts> = {
  readonly [Each in F as Each['id']]: {
    readonly given: Given<Each>;
    readonly arguments: ArgumentsFor<Each>;
    readonly result: ResultFor<Each>;
  };
};

interface AnyCall {
  readonly given: readonly unknown[];
  readonly arguments: unknown;
  readonly result: unknown;
}

type GivenOf<C> = C extends { readonly given: infer All extends readonly unknown[] } ? All : never;
type ItemOf<T> = T extends { readonly items: readonly (infer Item)[] } ? Item : never;

/** What a change would do. Some operations answer with the same as without `dryRun`, which says so. */
type DryRunOf<Result> = Result extends { readonly dryRun: boolean } ? Result : z.input<typeof dryRunResult>;

type Method<C extends AnyCall> = ('dryRun' extends keyof C['arguments']
  ? (
      given: C['arguments'] & { readonly dryRun: true },
      options?: CallOptions,
    ) => Promise<DryRunOf<C['result']>>
  : unknown) &
  ((...given: C['given']) => Promise<C['result']>);
/** All items of a list, page by page. */
type Each<C extends AnyCall> = (...given: C['given']) => AsyncGenerator<ItemOf<C['result']>, void>;

type After<Id, Prefix extends string> = Id extends `${Prefix}${infer Rest}` ? Rest : never;
type Head<Id> = Id extends `${infer First}.${string}` ? First : Id & string;

type Methods<C extends Readonly<Record<string, AnyCall>>, Prefix extends string> = {
  readonly [Name in Head<After<keyof C, Prefix>>]: (C extends {
    readonly [Id in `${Prefix}${Name}`]: infer Each extends AnyCall;
  }
    ? Method<Each>
    : unknown) &
    ([After<keyof C, `${Prefix}${Name}.`>] extends [never] ? unknown : Methods<C, `${Prefix}${Name}.`>);
} & (C extends { readonly [Id in `${Prefix}list`]: infer List extends AnyCall }
  ? { readonly each: Each<List> }
  : unknown);

/** @internal */
export type AdminOver<F extends OperationFacts> = Methods<Calls<F>, ''> & {
  /**
   * The same as the method of the name: `call('users.list', …)` is `users.list(…)`.
   * @throws AdminError; TypeError
   */
  call<Id extends keyof Calls<F>>(
    id: Id,
    ...given: GivenOf<Calls<F>[Id]>
  ): Promise<Calls<F>[Id] extends { readonly result: infer Result } ? Result : never>;
};

export type OperationId = Declared['id'];

/** What a call takes: the names in the path, and `query`, `body`, `version`, `dryRun` or `accept` where it has them. */
export type ArgumentsOf<Id extends OperationId> = Calls<Declared>[Id]['arguments'];

export type ResultOf<Id extends OperationId> = Calls<Declared>[Id]['result'];

export type Admin = AdminOver<Declared>;
