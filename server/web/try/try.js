import './prospect.js';
import './operator.js';
