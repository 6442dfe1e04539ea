// A machine that is busy with other things is no reason to fail.
import { configure } from '@testing-library/react';

configure({ asyncUtilTimeout: 15_000 });
