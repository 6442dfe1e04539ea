// What is said of a kernel in whose environment moorage is not installed.
import { expect, it, vi } from 'vitest';

import { english } from '../../../labextension/src/translate';
import { Channel } from '../../../labextension/src/transport/channel';
import { lacksMoorage } from '../../../labextension/src/transport/installed';
import { FakeKernel } from '../fakeKernel';

it('names the environment, and asks without a trace in the notebook', async () => {
  const kernel = new FakeKernel();
  expect(await lacksMoorage(kernel.asConnection())).toBeNull();
  kernel.isInstalled = false;
  expect(await lacksMoorage(kernel.asConnection())).toBe('/opt/other');
  const asked = kernel.sent.map(({ content }) => content);
  expect(asked[1]).toMatchObject({ code: '', silent: true, store_history: false });
});

it('is so until moorage says hello', async () => {
  const kernel = new FakeKernel();
  kernel.isLoaded = kernel.isInstalled = false;
  const channel = new Channel(kernel.asConnection(), english);
  void channel.connect();
  await vi.waitFor(() => expect(channel.connection.status).toBe('missing'));
  kernel.sayHello();
  await vi.waitFor(() => expect(channel.connection.status).toBe('connected'));
  channel.dispose();
});
