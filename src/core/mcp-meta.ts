/**
 * The `_meta` keys in which worker and whitelist server speak past the tool's own arguments.
 * Everything in them is checked by the server: signatures, seals, and its own catalogue and inventory.
 */

/** The call's id: calling again with it attaches or returns the kept result, never runs again. */
export const callIdKey = 'opsagent/call';
/** SignedRequest[]: everyone whose words led to the call. */
export const requestsKey = 'opsagent/requests';
/** SignedVote[]: sent with the sealed state when people have decided. */
export const votesKey = 'opsagent/votes';
/** true: stop the call with this id if it runs, and say how it ended; nothing is started. */
export const collectKey = 'opsagent/collect';
/** number: so many characters the text of the result may have. */
export const budgetKey = 'opsagent/budget';
/** SignedOrder: freeze, unfreeze or revoke. It is obeyed or refused instead of the tool that carries it. */
export const orderKey = 'opsagent/order';
/** ApprovalRequest on an `input_required` result: what the card shows. */
export const approvalKey = 'opsagent/approval';
/** On a result that is not an ordinary one: `refused` or `lost`. */
export const outcomeKey = 'opsagent/outcome';
