/**
 * Slack passes the shared suite, through the real SDK.
 */
import { chatAdapterContract } from '../../contract/chat-adapter.ts';
import { createHarness } from './harness.ts';

chatAdapterContract({ name: 'slack', create: createHarness });
