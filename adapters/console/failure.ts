/**
 * Every answer that says no, in one shape: a code for programs, words for people.
 */
import type { Context } from 'hono';

export function failure(
  c: Context,
  status: 401 | 403 | 404 | 413 | 415 | 429 | 500 | 503,
  code: string,
  message: string,
  remedy?: string,
): Response {
  return c.json({ error: { code, message, ...(remedy ? { remedy } : {}) } }, status);
}
