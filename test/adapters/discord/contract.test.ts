/** The Discord adapter passes the suite that every chat adapter passes, through the real discord.js. */
import { chatAdapterContract } from '../../contract/chat-adapter.ts';
import { discordHarness } from './harness.ts';

chatAdapterContract({ name: 'discord', create: discordHarness });
