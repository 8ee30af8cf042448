/** Errors of the token service in the words of a face. */

/** For `catch`: tells an error of this class in another way, and leaves all others. @throws always */
export function insteadOf<E extends Error>(
  type: abstract new (...options: never[]) => E,
  toRefusal: (error: E) => Error | Promise<Error>,
) {
  return async (error: unknown): Promise<never> => {
    throw error instanceof type ? await toRefusal(error) : error;
  };
}
