/**
 * Run one whitelisted command by name, with no model in between: find it, fill in its parameters, choose the host.
 */
import { call, newEventId } from './api.js';
import { el, icon, visible } from './dom.js';

/** `run({command, params, host, id})` resolves to undefined when it was taken in, else to the problem in words. */
export function createPicker({ dialog, opener, run }) {
  const search = el('input', {
    type: 'search',
    class: 'picker-search',
    placeholder: 'Find a command',
    'aria-label': 'Find a command',
    autocomplete: 'off',
  });
  const list = el('div', { class: 'picker-list' });
  const count = el('p', { class: 'hidden', role: 'status' });
  const form = el('div', { class: 'picker-form' });
  const shut = el('button', { type: 'button', class: 'icon-button', 'aria-label': 'Close' }, icon('close'));
  dialog.append(
    el('header', { class: 'picker-head' }, el('h2', { id: 'picker-title' }, 'Run a command'), shut),
    el('div', { class: 'picker-body' }, el('div', { class: 'picker-side' }, search, count, list), form),
  );
  let commands = [];
  let hosts = [];

  async function open() {
    dialog.showModal();
    form.replaceChildren(el('p', { class: 'picker-none' }, 'Loading…'));
    const [gotCommands, gotHosts] = await Promise.all([call('/api/commands'), call('/api/hosts')]);
    const problem = [gotCommands, gotHosts].find((answer) => !answer.ok);
    if (problem) {
      form.replaceChildren(el('p', { class: 'problem' }, problem.message));
      return;
    }
    commands = gotCommands.value.commands;
    hosts = gotHosts.value.hosts;
    search.value = '';
    filter();
    choose(undefined);
    search.focus();
  }

  function filter() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = commands.filter((command) =>
      words.every((word) =>
        `${command.name} ${command.description} ${command.category}`.toLowerCase().includes(word),
      ),
    );
    const categories = [...new Set(found.map((command) => command.category))];
    list.replaceChildren(
      ...categories.map((category) => {
        const rows = found.filter((command) => command.category === category).map(row);
        return el('section', {}, el('h3', {}, visible(category)), rows);
      }),
    );
    count.textContent = `${found.length} commands`;
    if (found.length === 0) list.append(el('p', { class: 'picker-none' }, 'No command fits.'));
  }

  function row(command) {
    return el(
      'button',
      { type: 'button', class: 'picker-row', onclick: () => choose(command), 'data-command': command.name },
      el('span', { class: 'picker-name' }, visible(command.name)),
      command.risk !== 'read' && el('span', { class: `risk risk-${command.risk}` }, command.risk),
      el('span', { class: 'picker-about' }, visible(command.description)),
    );
  }

  function choose(command) {
    dialog.classList.toggle('chosen', command !== undefined);
    for (const other of list.querySelectorAll('[data-command]'))
      other.setAttribute('aria-current', String(other.dataset.command === command?.name));
    form.replaceChildren(
      command
        ? createForm(command, hosts, submit, back)
        : el('p', { class: 'picker-none' }, 'Choose a command. It runs without the model.'),
    );
    form.querySelector('input, select')?.focus();
  }

  function back() {
    choose(undefined);
    search.focus();
  }

  async function submit(request) {
    const problem = await run(request);
    if (!problem) dialog.close();
    return problem;
  }

  search.addEventListener('input', filter);
  search.addEventListener('keydown', (event) => {
    if (event.key === 'ArrowDown') list.querySelector('button')?.focus();
    else if (event.key === 'Enter') list.querySelector('button')?.click();
    else return;
    event.preventDefault();
  });
  list.addEventListener('keydown', (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const rows = [...list.querySelectorAll('button')];
    const next = rows[rows.indexOf(document.activeElement) + step] ?? (step < 0 ? search : undefined);
    next?.focus();
    event.preventDefault();
  });
  shut.addEventListener('click', () => dialog.close());
  dialog.addEventListener('close', () => opener.focus());
  opener.append(icon('command'), 'Run a command');
  opener.addEventListener('click', open);
}

function createForm(command, hosts, submit, back) {
  const id = newEventId();
  const fields = command.params.map((param) => ({ param, ...createField(param) }));
  const host = el(
    'select',
    { id: 'picker-host' },
    hosts.map(({ name, tier }) => el('option', { value: name }, `${visible(name)} (${visible(tier)})`)),
    groupsOf(hosts).map(({ name, size }) =>
      el('option', { value: name }, `${visible(name)} (${size} hosts)`),
    ),
  );
  const problem = el('p', { class: 'problem', role: 'alert', hidden: true });
  const button = el('button', { type: 'submit', class: 'button primary' }, 'Run');
  const form = el(
    'form',
    {},
    el(
      'div',
      { class: 'picker-chosen' },
      el(
        'button',
        { type: 'button', class: 'button quiet small picker-back', onclick: back },
        '← All commands',
      ),
      el(
        'h3',
        {},
        el('code', {}, visible(command.name)),
        ' ',
        el('span', { class: `risk risk-${command.risk}` }, command.risk),
      ),
      el('p', {}, visible(command.description)),
    ),
    fields.map((field) => field.node),
    el('div', { class: 'field' }, el('label', { for: 'picker-host' }, 'Host'), host),
    command.risk !== 'read' &&
      el('p', { class: 'picker-note' }, 'This changes the host: you will see a card before anything runs.'),
    problem,
    el('div', { class: 'card-buttons' }, button),
  );
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const given = fields
      .map(({ param, input }) => [param.name, input.value])
      .filter(([, value]) => value !== '');
    button.disabled = true;
    const wrong = await submit({
      command: command.name,
      params: Object.fromEntries(given),
      ...(host.value ? { host: host.value } : {}),
      id,
    });
    button.disabled = false;
    problem.hidden = !wrong;
    problem.textContent = wrong ?? '';
  });
  return form;
}

/** `all` and the tags, as far as there is more than one host to choose from. */
function groupsOf(hosts) {
  if (hosts.length < 2) return [];
  const tags = [...new Set(hosts.flatMap((host) => host.tags ?? []))].sort();
  const size = (tag) => hosts.filter((host) => host.tags?.includes(tag)).length;
  return [{ name: 'all', size: hosts.length }, ...tags.map((tag) => ({ name: `@${tag}`, size: size(tag) }))];
}

/** The input that fits the parameter's type; what is optional may stay empty. */
function createField(param) {
  const id = `param-${param.name}`;
  const type = param.type ?? { kind: 'text' };
  const common = { id, name: param.name, required: !param.optional, 'aria-describedby': `${id}-about` };
  let input;
  if (param.several) {
    input = el('textarea', { ...common, rows: '3', placeholder: 'One a line', spellcheck: 'false' });
  } else if (type.kind === 'choice') {
    const choices = param.optional ? ['', ...type.values] : type.values;
    input = el(
      'select',
      common,
      choices.map((value) =>
        el('option', { value, selected: value === param.default }, visible(value) || '(default)'),
      ),
    );
  } else if (type.kind === 'integer') {
    input = el('input', {
      ...common,
      type: 'number',
      min: String(type.min),
      max: String(type.max),
      step: '1',
      placeholder: param.default,
    });
  } else {
    const example = { path: '/', unit: 'nginx.service', container: 'name' }[type.kind];
    input = el('input', {
      ...common,
      type: 'text',
      maxlength: String(type.maxLength ?? 4096),
      placeholder: param.default ?? example,
      autocomplete: 'off',
      spellcheck: 'false',
    });
  }
  const node = el(
    'div',
    { class: 'field' },
    el(
      'label',
      { for: id },
      visible(param.name),
      param.optional && el('span', { class: 'optional' }, ' optional'),
    ),
    input,
    el('p', { id: `${id}-about`, class: 'field-about' }, visible(param.description), limits(type)),
  );
  return { input, node };
}

function limits(type) {
  if (type.kind === 'integer') return ` (${type.min} to ${type.max})`;
  if (type.kind === 'path' && type.roots?.length > 0) return ` (under ${type.roots.map(visible).join(', ')})`;
  return '';
}
