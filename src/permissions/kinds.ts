/** What a list of details of one kind was read as. */
export interface ParsedDetails<Rights> {
  readonly permissions: Rights;
  /** The resource they speak of: the one given, else the one that their `locations` name; undefined when none does. */
  readonly resource: string | undefined;
}

/** A set that took part in an intersection, under the name by which people know it. */
export interface Step<Rights> {
  readonly name: string;
  readonly permissions: Rights;
}

/** The outcome of an intersection and, for each right lost on the way, the name of the step that lacked it first. */
export interface Explanation<Rights, Right> {
  readonly effective: Rights;
  readonly removed: readonly (Right & { readonly by: string })[];
}

/**
 * One kind of authorization detail (RFC 9396 section 2): how rights of this kind are read from a request, compared, cut
 * down, accounted for and written into a token. `intersect` must be associative, commutative and idempotent, and never allow more than either
 * side; `contains(a, b)` must hold exactly when `intersect(a, b)` equals `b`.
 */
export interface DetailKind<Rights, Right> {
  /** The value of `type`. */
  readonly type: string;
  /** Reads all details of this type of one request; throws `PermissionsError`. */
  parse(details: unknown, resource: string | undefined): ParsedDetails<Rights>;
  toDetails(rights: Rights, resource: string): readonly { readonly type: string }[];
  /** Whether everything that `b` allows is allowed by `a`. */
  contains(a: Rights, b: Rights): boolean;
  intersect(a: Rights, b: Rights): Rights;
  explain(steps: readonly Step<Rights>[]): Explanation<Rights, Right>;
}
