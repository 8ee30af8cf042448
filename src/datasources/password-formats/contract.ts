/** What a password format is. */

/** Whether a password is the stored one. Takes its time whether or not it is. */
export type Verify = (password: string) => Promise<boolean>;

/**
 * How expensive a stored hash may be. The operator must allow more than `usual`, because logins wait for each other.
 */
export type Costs = 'usual' | 'dear';

export interface Stored {
  readonly text: string;
  /** As the driver gave it. */
  readonly raw: string | Uint8Array;
  readonly salt: Uint8Array | undefined;
  readonly saltOrder: 'before' | 'after';
  readonly secret: string | undefined;
  readonly costs: Costs;
}

export interface Format {
  /** @returns undefined if it is of another format, damaged, or would cost too much */
  parse(stored: Stored): Verify | undefined;
  /** What a login without an account costs, before any hash was seen. */
  readonly typical: string;
}
